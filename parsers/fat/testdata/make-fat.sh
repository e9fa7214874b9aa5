#!/bin/sh
# Makes fat12.img.gz and fat32.img.gz: volumes of mkfs.fat, filled and partly
# emptied by mtools. The content of a file is its name over and over. And
# exfat.img.gz, an empty volume of mkfs.exfat.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
text() { yes "$1" | head -c "$2" >"$work/file"; }
put() { # put PATH SIZE
	text "${1##*/}" "$2" && mcopy -i "$img" -o "$work/file" "::$1"
}
for kind in 12 32; do
	img=$work/fat$kind.img
	case $kind in
	12) mkfs.fat -F 12 -n 'FLOPPY' -i 12345678 -C "$img" 1440 >/dev/null ;;
	32) mkfs.fat -F 32 -n 'STICK' -i 12345678 -s 1 -C "$img" 34816 >/dev/null ;;
	esac
	put PLAIN.TXT 3000
	put 'Long file name of the plan.txt' 5000
	put '会議の資料.txt' 700
	mmd -i "$img" ::Work ::Work/Deeper
	put Work/Deeper/inside.txt 2500
	mmd -i "$img" ::Old ::Old/Attic
	put Old/letter.txt 1200
	put Old/Attic/deep.txt 600
	put GONE.TXT 4000
	put 'Deleted long name.txt' 3000
	put lost.txt 1500
	mdel -i "$img" ::GONE.TXT '::Deleted long name.txt' ::lost.txt
	mdeltree -i "$img" ::Old
	gzip -9n <"$img" >"$out/fat$kind.img.gz"
done
truncate -s 8M "$work/exfat.img"
mkfs.exfat -L 'EMPTY' "$work/exfat.img" >/dev/null
gzip -9n <"$work/exfat.img" >"$out/exfat.img.gz"
rm -r "$work"
