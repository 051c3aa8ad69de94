"""Pattern 2: something expensive is loaded once, and used for every folder.

The analyzer here stands in for a model: it takes the spectral centroid of the full mix, which no other analyzer gives.
"""

import argparse
import logging
from pathlib import Path

import av
import numpy as np

from audiobatchd import FileLock, find_organized_folders, get_full_mix, has_features, print_batch_summary, save_to_info

logger = logging.getLogger(__name__)

REQUIRED_FEATURES = ["spectral_centroid"]
RATE = 22050
WINDOW = 2048


class CentroidAnalyzer:
    """Gives `spectral_centroid`: the spectral centroid in Hz."""

    def __init__(self) -> None:
        # Load what takes long here.
        self._hann = np.hanning(WINDOW)
        self._frequencies = np.fft.rfftfreq(WINDOW, 1 / RATE)

    def analyze_file(self, path: Path) -> dict:
        samples = self._read(path)
        if len(samples) < WINDOW:
            raise ValueError(f"{path.name}: shorter than one window")
        windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[:: WINDOW // 2]
        power = (np.abs(np.fft.rfft(windows * self._hann)) ** 2).sum(axis=0)
        return {"spectral_centroid": round(float((power * self._frequencies).sum() / max(power.sum(), 1e-12)), 1)}

    def _read(self, path: Path) -> np.ndarray:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        with av.open(str(path)) as container:
            frames = [r for frame in container.decode(audio=0) for r in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def batch_analyze_spectral_centroid(root_directory: str, overwrite: bool = False) -> dict:
    folders = find_organized_folders(root_directory)
    stats = {"total": len(folders), "success": 0, "skipped_complete": 0, "skipped_locked": 0, "failed": 0}

    # Loaded ONCE
    analyzer = CentroidAnalyzer()

    for i, folder in enumerate(folders, 1):
        logger.info(f"Processing {i}/{stats['total']}: {folder.name}")

        if not overwrite and has_features(folder, REQUIRED_FEATURES):
            stats["skipped_complete"] += 1
            logger.info("  Skipping - features already exist")
            continue

        try:
            with FileLock(folder) as lock:
                if not lock.acquired:
                    stats["skipped_locked"] += 1
                    logger.info("  Skipping - locked by another process")
                    continue

                # Once more: another process may have done it between the look above and the lock.
                if not overwrite and has_features(folder, REQUIRED_FEATURES):
                    stats["skipped_complete"] += 1
                    logger.info("  Skipping - features already exist")
                    continue

                results = analyzer.analyze_file(get_full_mix(folder))
                save_to_info(folder, results)
                stats["success"] += 1
        except Exception as e:
            stats["failed"] += 1
            logger.error(f"  Failed: {e}")

    print_batch_summary(stats, "Spectral centroid")
    return stats


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--overwrite", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    batch_analyze_spectral_centroid(arguments.dataset, overwrite=arguments.overwrite)
