"""Prefect flows over `jobs`: one flow a file, each only orders tasks."""
