"""Pattern 3: `BatchProcessor` does the resuming, the locking, the second look and the counting."""

import argparse
import logging

from audiobatchd import BatchProcessor, analyze_folder_loudness, find_organized_folders, print_batch_summary


def batch_analyze_with_helper(root_directory: str, overwrite: bool = False) -> dict:
    processor = BatchProcessor(
        required_features=["lufs", "lra"],
        lock_timeout=3600,  # one hour: longer, and others call the lock overdue
    )
    return processor.process_batch(
        folders=find_organized_folders(root_directory),
        process_func=analyze_folder_loudness,
        overwrite=overwrite,
        skip_errors=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--overwrite", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print_batch_summary(batch_analyze_with_helper(arguments.dataset, arguments.overwrite), "Loudness Analysis")
