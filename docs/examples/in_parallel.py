"""Pattern 4: many processes of one pool, each with a folder of its own."""

import argparse
import logging
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from audiobatchd import (
    FileLock,
    analyze_folder_loudness,
    filter_folders_to_process,
    find_organized_folders,
    print_batch_summary,
    should_process_folder,
)

logger = logging.getLogger(__name__)

REQUIRED_FEATURES = ["lufs", "lra"]


def process_folder_safe(folder: Path, overwrite: bool = False) -> dict:
    """What a worker does with one folder."""
    with FileLock(folder) as lock:
        if not lock.acquired:
            return {"skipped": True, "reason": "locked"}

        # Once more: another process may have done it since the list was made. The lock is ours, so it is not asked for.
        if not should_process_folder(folder, REQUIRED_FEATURES, overwrite, check_lock=False):
            return {"skipped": True, "reason": "complete"}

        try:
            return {"success": True, "results": analyze_folder_loudness(folder)}
        except Exception as e:
            return {"success": False, "error": str(e)}


def batch_analyze_parallel(root_directory: str, overwrite: bool = False, max_workers: int = 20) -> dict:
    folders_to_process, stats = filter_folders_to_process(
        find_organized_folders(root_directory),
        required_features=REQUIRED_FEATURES,
        overwrite=overwrite,
        check_lock=False,  # the worker does
    )
    logger.info(f"Processing {len(folders_to_process)} folders with {max_workers} workers")

    # Spawned, not forked: a fork copies whatever the threads of this process were doing at that moment.
    with ProcessPoolExecutor(max_workers, get_context("spawn")) as executor:
        try:
            # Ctrl-C is for this process. Those of the pool inherit that it is blocked: if one ended, also while it
            # still starts, the pool would end the others amid their work.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            futures = {executor.submit(process_folder_safe, folder, overwrite): folder for folder in folders_to_process}
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            for future in as_completed(futures):
                folder = futures[future]
                try:
                    result = future.result()
                    if result.get("success"):
                        stats["success"] += 1
                    elif result.get("skipped"):
                        stats[f"skipped_{result['reason']}"] += 1
                    else:
                        stats["failed"] += 1
                        stats["errors"].append(f"{folder.name}: {result['error']}")
                except Exception as e:
                    stats["failed"] += 1
                    stats["errors"].append(f"{folder.name}: {e}")
                    logger.error(f"Worker failed for {folder.name}: {e}")
        except KeyboardInterrupt:
            executor.shutdown(cancel_futures=True)  # else it would do all the rest before it ends
            raise
    return stats


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("--workers", type=int, default=20)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print_batch_summary(
        batch_analyze_parallel(arguments.dataset, arguments.overwrite, arguments.workers), "Loudness Analysis"
    )
