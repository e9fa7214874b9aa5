#!/bin/sh
# Makes moved.img.bz2: an NTFS volume of 2 MiB written by mkntfs and ntfs-3g, with
# attributes that stand in no record (the reparse points of "junction" and "long
# junction"), or in another than the base record of their file ($OBJECT_ID of
# "moved", $EA of "ea"). Needs root, /dev/fuse, ntfs-3g and python3. Clusters,
# times and serial differ from run to run.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
img=$work/moved.img
mnt=$work/mnt
mkdir "$mnt"
truncate -s 2M "$img"
mkntfs -Q -F -q -L moved -c 4096 -s 512 -p 0 -H 0 -S 0 "$img" >/dev/null 2>&1
ntfs-3g -o streams_interface=xattr "$img" "$mnt"
mkdir "$mnt/junction" "$mnt/long junction"
for f in object moved ea; do
	echo "$f" >"$mnt/$f"
	for i in $(seq 1 24); do ln "$mnt/$f" "$mnt/name number $i of the file $f"; done
done
python3 - "$mnt" <<'PY'
import os, struct, sys
mnt = sys.argv[1]
def junction(path, target):
    sub, shown = ("\\??\\" + target).encode("utf-16le"), target.encode("utf-16le")
    names = struct.pack("<HHHH", 0, len(sub), len(sub) + 2, len(shown)) + sub + b"\0\0" + shown + b"\0\0"
    os.setxattr(path, "system.ntfs_reparse_data", struct.pack("<IHH", 0xA0000003, len(names), 0) + names)
for i in range(12):  # streams, since a directory has no other names
    os.setxattr(mnt + "/junction", "user.stream number %d" % i, b"x" * 60)
junction(mnt + "/junction", "C:\\Windows")
junction(mnt + "/long junction", "C:\\" + "p" * 2000)
os.setxattr(mnt + "/object", "system.ntfs_object_id", bytes(range(1, 17)))
os.setxattr(mnt + "/moved", "system.ntfs_object_id", bytes(range(2, 18)))
os.setxattr(mnt + "/ea", "system.ntfs_ea", struct.pack("<IBBH", 216, 0, 5, 200) + b"HELLO\0" + b"v" * 200 + b"\0\0")
PY
fusermount -u "$mnt"
bzip2 -9 <"$img" >"$out/moved.img.bz2"
rm -r "$work"
