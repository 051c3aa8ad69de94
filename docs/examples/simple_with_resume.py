"""Pattern 1: every folder once, in one process; what is complete or locked is skipped."""

import argparse
import logging

from audiobatchd import FileLock, analyze_folder_loudness, find_organized_folders, has_features, print_batch_summary

logger = logging.getLogger(__name__)

REQUIRED_FEATURES = ["lufs", "lra"]


def batch_analyze_loudness(root_directory: str, overwrite: bool = False) -> dict:
    folders = find_organized_folders(root_directory)
    stats = {"total": len(folders), "success": 0, "skipped_complete": 0, "skipped_locked": 0, "failed": 0, "errors": []}

    for i, folder in enumerate(folders, 1):
        logger.info(f"Processing {i}/{stats['total']}: {folder.name}")

        if not overwrite and has_features(folder, REQUIRED_FEATURES):
            stats["skipped_complete"] += 1
            logger.info("  Skipping - features already exist")
            continue

        try:
            with FileLock(folder, timeout=600) as lock:
                if not lock.acquired:
                    stats["skipped_locked"] += 1
                    logger.info("  Skipping - locked by another process")
                    continue

                # Once more: another process may have done it between the look above and the lock.
                if not overwrite and has_features(folder, REQUIRED_FEATURES):
                    stats["skipped_complete"] += 1
                    logger.info("  Skipping - features already exist")
                    continue

                analyze_folder_loudness(folder)
                stats["success"] += 1
        except Exception as e:
            stats["failed"] += 1
            stats["errors"].append(f"{folder.name}: {e}")
            logger.error(f"  Failed: {e}")

    print_batch_summary(stats, "Loudness Analysis")
    return stats


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--overwrite", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    batch_analyze_loudness(arguments.dataset, overwrite=arguments.overwrite)
