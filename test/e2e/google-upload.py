"""Sends a file by google-resumable-media, unmodified, to a resumable upload URL, and goes on after each broken line.

What the library does of itself (`--retries`) and what its user does (`recover`) are two ways on; both are for real.
Ends with a line of JSON: the bytes at which each recovery went on, and what the storage answered at last.
"""

import argparse
import json
import os

import requests
from google.resumable_media import common
from google.resumable_media.requests import ResumableUpload

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("file")
parser.add_argument("--chunk-bytes", type=int, required=True)
parser.add_argument("--retries", type=int, default=0)
parser.add_argument("--checksum")
parser.add_argument("--unknown-size", action="store_true", help="the file grows: its size is told by its last chunk")
args = parser.parse_args()

upload = ResumableUpload(args.url, args.chunk_bytes, checksum=args.checksum)
upload._retry_strategy = common.RetryStrategy(max_retries=args.retries, initial_delay=0.1)
transport = requests.Session()
recovered = []
with open(args.file, "rb") as stream:
    name = {"name": os.path.basename(args.file)}
    upload.initiate(transport, stream, name, "application/x-ndjson", stream_final=not args.unknown_size)
    while not upload.finished:
        try:
            response = upload.transmit_next_chunk(transport)
        except requests.exceptions.ConnectionError:
            upload.recover(transport)
            recovered.append(upload.bytes_uploaded)
print(json.dumps({"recovered": recovered, "answer": response.json()}))
