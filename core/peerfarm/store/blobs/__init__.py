"""What a node holds of others' files: blobs by their names, checkouts made from them, scenes packed into them."""

from peerfarm.store.blobs.api import Blobs, Gone, GoneReason, Usage
from peerfarm.store.blobs.blobstore import BlobStore
from peerfarm.store.blobs.checkout import check_names, this_system
from peerfarm.store.blobs.hashcache import HashCache
from peerfarm.store.blobs.memory_blobs import MemoryBlobDisk, MemoryBlobs
from peerfarm.store.blobs.packing import FileToPack, Packed, pack
from peerfarm.store.blobs.reading import FileFault
from peerfarm.store.blobs.stock import DOUBT_PIN, Hold

__all__ = [
    "DOUBT_PIN",
    "BlobStore",
    "Blobs",
    "FileFault",
    "FileToPack",
    "Gone",
    "GoneReason",
    "HashCache",
    "Hold",
    "MemoryBlobDisk",
    "MemoryBlobs",
    "Packed",
    "Usage",
    "check_names",
    "pack",
    "this_system",
]
