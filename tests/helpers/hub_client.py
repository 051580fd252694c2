"""Asks a Hub through huggingface_hub, and prints a JSON object: of each question the answer, or the exception's name.

usage: hub_client.py [--token TOKEN] QUESTION...   with HF_ENDPOINT set. QUESTION: snapshot:REPOSITORY[@REVISION], a
directory is the answer, or file:REPOSITORY/PATH, or dry-run:REPOSITORY, whose answer is the bytes of all files.
"""
import json
import sys

from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError


def answer(question, token):
    kind, what = question.split(":", 1)
    if kind == "file":
        owner, name, path = what.split("/", 2)
        return hf_hub_download(f"{owner}/{name}", path, token=token)
    repository, _, revision = what.partition("@")
    if kind == "dry-run":
        return str(sum(file.file_size for file in snapshot_download(repository, token=token, dry_run=True)))
    return snapshot_download(repository, revision=revision or None, token=token)


def main():
    args = sys.argv[1:]
    token = False
    if args[0] == "--token":
        token = args[1]
        args = args[2:]
    answers = {}
    for question in args:
        try:
            answers[question] = answer(question, token)
        except LocalEntryNotFoundError as error:  # What the Hub said is behind it.
            answers[question] = type(error.__cause__ or error).__name__
        except Exception as error:  # Its name is the answer.
            answers[question] = type(error).__name__
    print(json.dumps(answers))


main()
