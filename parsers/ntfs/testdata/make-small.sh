#!/bin/sh
# Makes small.img.bz2 and small.tsv: an NTFS volume of 3 MiB written by mkntfs
# and ntfs-3g, and what was put into it. Needs root, /dev/fuse, ntfs-3g
# and python3. Clusters, times and serial differ from run to run.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
img=$work/small.img
mnt=$work/mnt
tsv=$work/small.tsv
mkdir "$mnt"
truncate -s 3M "$img"
mkntfs -Q -F -q -L 'small volume' -c 4096 -s 512 -p 0 -H 0 -S 0 "$img" >/dev/null 2>&1
mount_it() { ntfs-3g -o "$1" "$img" "$mnt"; }
row() { # state path stream file
	printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$(stat -c %s "$4")" "$(sha256sum <"$4" | cut -d' ' -f1)" >>"$tsv"
}
put() { # path file: copies and notes it
	cp "$2" "$mnt/$1" && row live "$1" '' "$2"
}
setx() { python3 -c 'import os,sys;os.setxattr(sys.argv[3],sys.argv[1],open(sys.argv[2],"rb").read())' "$@"; }
text() { seq -f "line %g of $1" 1 "$2" >"$work/$1"; }

ntfscp_empty() { : >"$work/empty"; ntfscp -f -q "$img" "$work/empty" '$Extend/$UsnJrnl' >/dev/null; }
ntfscp_empty
python3 -c 'import struct,sys;open(sys.argv[1],"wb").write(struct.pack("<QQQQ",1<<20,1<<18,129000000000000000,0))' "$work/max"
head -c 8 /dev/zero >"$work/zeros"
ntfscp -f -q -N '$Max' "$img" "$work/max" '$Extend/$UsnJrnl' >/dev/null
ntfscp -f -q -N '$J' "$img" "$work/zeros" '$Extend/$UsnJrnl' >/dev/null

mount_it compression,streams_interface=xattr
text resident.txt 8; put resident.txt "$work/resident.txt"
text plain.txt 900; put plain.txt "$work/plain.txt"
: >"$work/empty.txt"; put empty.txt "$work/empty.txt"
mkdir "$mnt/Folder" "$mnt/Folder/Sub Folder"
text inside.txt 400; put 'Folder/Sub Folder/inside.txt' "$work/inside.txt"
# A stream of notes.txt, and a file of that very name.
text notes.txt 5; put notes.txt "$work/notes.txt"
text ads 30; setx user.ads "$work/ads" "$mnt/notes.txt"; row live notes.txt ads "$work/ads"
text colon 3; put 'notes.txt:ads' "$work/colon"
text ondir 40; setx user.ondir "$work/ondir" "$mnt/Folder"; row live Folder ondir "$work/ondir"
# Names.
text names 2
for n in '会議資料' "$(printf 'gpj.\342\200\256exe')" "$(printf '\357\273\277bom')" 'Case.txt' 'case.txt' "$(printf 'astral \360\237\230\200')"; do put "$n" "$work/names"; done
# So many links that an attribute list is needed.
text linked.txt 3; put linked.txt "$work/linked.txt"
for i in $(seq 1 30); do ln "$mnt/linked.txt" "$mnt/Folder/link number $i of the linked file"; row live "Folder/link number $i of the linked file" '' "$work/linked.txt"; done
# LZNT1: text, a hole, noise-like text that grows.
mkdir "$mnt/packed"; printf '\000\000\010\000' >"$work/attrib"; setx system.ntfs_attrib_be "$work/attrib" "$mnt/packed"
text packed.txt 9000; put packed/packed.txt "$work/packed.txt"
python3 - "$work/mixed" <<'PY'
import hashlib,sys
b=bytearray(b"text "*14000)+bytes(65536)
for i in range(700): b+=hashlib.sha256(b"%d"%i).digest()
b+=b"end of it "*900
open(sys.argv[1],"wb").write(b)
PY
put packed/mixed.bin "$work/mixed"
# Sparse, and written less far than its size.
truncate -s 700001 "$work/sparse"; printf tail >>"$work/sparse"
truncate -s 700001 "$mnt/sparse.bin"; printf tail >>"$mnt/sparse.bin"; row live sparse.bin '' "$work/sparse"
# Fragments: two files that grow in turn.
: >"$work/a"; : >"$work/b"
for i in $(seq 1 25); do
	seq -f "a %g" $((i*1000)) $((i*1000+600)) | head -c 4096 >"$work/pa"; cat "$work/pa" >>"$mnt/frag a"; cat "$work/pa" >>"$work/a"
	seq -f "b %g" $((i*1000)) $((i*1000+600)) | head -c 4096 >"$work/pb"; cat "$work/pb" >>"$mnt/frag b"; cat "$work/pb" >>"$work/b"
	sync
done
row live 'frag a' '' "$work/a"; row live 'frag b' '' "$work/b"
# Deleted: one whose clusters are used again, then a tree that stays as it was.
cp "$work/colon" "$mnt/decoy.txt" # its entry is the first to be used again
text first.txt 6000; cp "$work/first.txt" "$mnt/first.txt"
mkdir "$mnt/gone" "$mnt/gone/deep"
text left.txt 700; cp "$work/left.txt" "$mnt/gone/deep/left.txt"
text small.txt 4; cp "$work/small.txt" "$mnt/gone/small.txt"
sync
rm "$mnt/decoy.txt" "$mnt/first.txt"
fusermount -u "$mnt"
# The journal: records of a directory that was renamed.
mount_it show_sys_files,streams_interface=windows
python3 - "$mnt" <<'PY'
import os,struct,sys
mnt=sys.argv[1]
def ino(p): return os.stat(os.path.join(mnt,p)).st_ino
f=ino("Folder"); s=ino("Folder/Sub Folder"); i=ino("Folder/Sub Folder/inside.txt"); root=5|5<<48
def seq(n): return n|1<<48
base=65536; out=b""
for k,(ref,par,reason,attr,name) in enumerate([
    (seq(f),root,0x100,0x10,"Folder"),(seq(s),seq(f),0x100,0x10,"New folder"),
    (seq(i),seq(s),0x100,0x20,"inside.tmp"),(seq(i),seq(s),0x1000,0x20,"inside.tmp"),
    (seq(i),seq(s),0x2000,0x20,"inside.txt"),(seq(s),seq(f),0x1000,0x10,"New folder"),
    (seq(s),seq(f),0x2000,0x10,"Sub Folder"),(seq(i),seq(s),0x80000002,0x20,"inside.txt"),
    (7777|9<<48,8888|3<<48,0x80000200,0x20,"lost.exe")]):
    n=name.encode("utf-16le"); l=(60+len(n)+7)//8*8
    out+=struct.pack("<IHHQQQQIIIIHH",l,2,0,ref,par,base+len(out),129580000000000000+k*10000000,reason,0,0,attr,len(n),60).ljust(60)+n+bytes(l-60-len(n))
j=os.path.join(mnt,"$Extend/$UsnJrnl:$J")
with open(j,"r+b") as h: h.truncate(0); h.truncate(base); h.seek(base); h.write(out)
PY
fusermount -u "$mnt"
mount_it streams_interface=xattr
text second.txt 6100; cp "$work/second.txt" "$mnt/keeper.txt"
row live keeper.txt '' "$work/second.txt"
rm -r "$mnt/gone"
row deleted gone/deep/left.txt '' "$work/left.txt"
row deleted gone/small.txt '' "$work/small.txt"
touch -d '2011-08-24T00:31:07.184Z' "$mnt/plain.txt"
fusermount -u "$mnt"
bzip2 -9 <"$img" >"$out/small.img.bz2"
{ printf 'state\tpath\tstream\tsize\tsha256\n'; cat "$tsv"; } >"$out/small.tsv"
rm -r "$work"
ls -l "$out/small.img.bz2" "$out/small.tsv"
