package volume_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/volume"
)

// kindOf translates what the truth table calls a file system.
var kindOf = map[string]volume.Kind{
	"ntfs": volume.NTFS, "fat12": volume.FAT12, "fat16": volume.FAT16, "fat32": volume.FAT32, "exfat": volume.ExFAT,
	"ext2": volume.Ext, "ext4": volume.Ext, "iso9660": volume.ISO9660,
}

// better are the places where we know more than The Sleuth Kit, by the
// catalogue of the corpus or by upstream's own word.
var better = map[string]volume.Kind{
	"images/bde/cryptsetup/bitlk-togo-aes-xts-128.E01 0": volume.BitLockerToGo, // it lists the decoy
}

var slot = regexp.MustCompile(`^\d+(:\d+)?$`)

// TestCorpus compares partitions and file systems with mmls and fsstat, as
// recorded in the truth table.
func TestCorpus(t *testing.T) {
	rows := map[string][]map[string]string{}
	var files []string
	for _, row := range corpus.Truth(t, "volumes") {
		if rows[row["file"]] == nil {
			files = append(files, row["file"])
		}
		rows[row["file"]] = append(rows[row["file"]], row)
	}
	compared := 0
	for _, file := range files {
		e, err := evidence.Open(context.Background(), corpus.Path(t, file), evidence.Options{})
		if err != nil {
			continue // containers that are not read yet have their test in evidence
		}
		vols, _ := volume.List(e.Image, e.Exhibit, e.Name)
		compared += compare(t, file, vols, rows[file])
		e.Close()
	}
	if compared < 68 {
		t.Errorf("only %d volumes compared", compared)
	}
}

func compare(t *testing.T, file string, vols []volume.Volume, rows []map[string]string) (n int) {
	t.Helper()
	unit := int64(512)
	if strings.Contains(file, "4096") { // mmls was not told the sector size; the numbers are right
		unit = 4096
	}
	at := map[string]volume.Volume{}
	parts := 0
	for _, v := range vols {
		if v.Scheme != "gap" {
			parts++
			at[fmt.Sprint(v.Off/unit)] = v
		}
	}
	want := 0
	for _, row := range rows {
		if row["scheme"] == "BSD Disk Label" {
			return 0 // named as such, not read
		}
		bare := strings.Contains(row["scheme"], "bare")
		if row["scheme"] == "" || !bare && !slot.MatchString(row["slot"]) {
			continue
		}
		want++
		v, ok := at[row["start_sector"]]
		if length, _ := strconv.ParseInt(row["length_sectors"], 10, 64); !ok || !bare && v.Len/unit != length {
			t.Errorf("%s: no volume of %s sectors at %s: %+v", file, row["length_sectors"], row["start_sector"], vols)
			continue
		}
		kind := kindOf[row["fs"]]
		if b := better[file+" "+row["start_sector"]]; b != "" {
			kind = b
		}
		if kind != "" && v.Kind != kind {
			t.Errorf("%s: sector %s: %s, want %s", file, row["start_sector"], v.Kind, kind)
		}
		if bare != (v.Scheme == "bare") {
			t.Errorf("%s: scheme %s, want %s", file, v.Scheme, row["scheme"])
		}
		n++
	}
	if want > 0 && parts != want {
		t.Errorf("%s: %d volumes, want %d", file, parts, want)
	}
	return n
}

// Every BitLocker volume of the corpus is named as one.
func TestBitLocker(t *testing.T) {
	for _, row := range corpus.Truth(t, "bde") {
		e, err := evidence.Open(context.Background(), corpus.Path(t, row["file"]), evidence.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		want := volume.BitLocker
		if row["oem_id"] != "-FVE-FS-" {
			want = volume.BitLockerToGo
		}
		if v, _ := volume.List(e.Image, "", ""); len(v) != 1 || v[0].Kind != want {
			t.Errorf("%s: %+v, want %s", row["file"], v, want)
		}
		e.Close()
	}
}

// The parts of a disk add up to the whole of it.
func TestNothingIsLeftOut(t *testing.T) {
	for _, file := range []string{"images/made/disk.raw", "images/made/ewf/many/many.E01", "images/mbr/dfir_ntfs/mbr-win-512.E01",
		"images/ewf/ewf-forensic/exfat1.E01", "images/ewf/plaso/image-split.E01", "images/fat/velociraptor/fat_very_small.dd"} {
		e, err := evidence.Open(context.Background(), corpus.Path(t, file), evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		vols, _ := volume.List(e.Image, "", "")
		at := int64(0)
		for _, v := range vols {
			if v.Off != at {
				t.Errorf("%s: %s at %#x, the one before ends at %#x", file, v.Kind, v.Off, at)
			}
			at = v.Off + v.Len
		}
		if at != e.Image.Size() {
			t.Errorf("%s: ends at %#x of %#x", file, at, e.Image.Size())
		}
		e.Close()
	}
}
