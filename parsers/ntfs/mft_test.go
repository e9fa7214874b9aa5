package ntfs

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/internal/utf16"
)

// Counts of the corpus' table: signatures and flags of every slot.
func TestMFTCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "mft") {
		if row["FILE"] == "0" {
			continue // listings, attributes
		}
		t.Run(row["file"], func(t *testing.T) {
			f, size := openImage(t, corpus.Path(t, "artifacts/"+row["file"]))
			v, err := OpenMFT(f, size, Options{})
			if err != nil {
				t.Fatal(err)
			}
			c, err := v.Scan(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			cov := c.Coverage()
			torn := c.byKind[TornRecord]
			var inUse, not, dirs, exts uint64
			for i := range c.entries.n {
				e := c.entries.at(i)
				switch e.state {
				case recZero, recUnread, recBad:
					continue
				}
				if e.flags&FlagInUse != 0 {
					inUse++
				} else {
					not++
				}
				if e.flags&FlagDirectory != 0 {
					dirs++
				}
				if e.base != 0 {
					exts++
				}
			}
			got := fmt.Sprint(v.geo.RecordSize, cov.Records, inUse+not-torn, exts, torn)
			want := fmt.Sprint(row["record_size"], row["slots"], row["FILE"], row["extension_records"], row["BAAD"])
			if want = strings.NewReplacer(`"`, "").Replace(want); strings.Join(strings.Fields(got), " ") != spaced(row["record_size"], row["slots"], row["FILE"], row["extension_records"], row["BAAD"]) {
				t.Errorf("got %s, want %s", got, want)
			}
			if torn == 0 && spaced(inUse, not, dirs) != spaced(row["in_use"], row["not_in_use"], row["directories"]) {
				t.Errorf("%d in use, %d not, %d directories; want %s, %s, %s", inUse, not, dirs, row["in_use"], row["not_in_use"], row["directories"])
			}
			for i, d := range c.Damage() {
				if i < 3 {
					t.Log(d.Error())
				}
			}
		})
	}
}

func spaced(v ...any) string {
	return strings.TrimSuffix(fmt.Sprintln(v...), "\n")
}

// The listings of the Sleuth Kit that lie beside three of them.
func TestMFTListings(t *testing.T) {
	for _, name := range []string{"4k-large", "orphan", "unicode"} {
		dir := "artifacts/mft/msuhanov+dfir_ntfs/"
		text, err := os.ReadFile(corpus.Path(t, dir+name+".fls"))
		if err != nil {
			t.Fatal(err)
		}
		f, size := openImage(t, corpus.Path(t, dir+name+".mft"))
		v, err := OpenMFT(f, size, Options{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := v.Scan(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
			cells := strings.Split(line, "\t")
			kind, inode, ok := strings.Cut(strings.TrimSuffix(cells[0], ":"), " ")
			if !ok || len(cells) < 7 {
				continue
			}
			deleted := strings.HasPrefix(inode, "* ")
			inode = strings.TrimPrefix(inode, "* ")
			num, err := strconv.ParseUint(strings.Split(inode, "-")[0], 10, 64)
			if err != nil || strings.Contains(cells[1], "$OrphanFiles") || kind == "V/V" {
				continue
			}
			n++
			file, ok := c.File(num)
			if !ok {
				t.Errorf("%s: entry %d of %q is no file", name, num, cells[1])
				continue
			}
			if deleted == file.InUse() {
				t.Errorf("%s: %q: deleted %v", name, cells[1], deleted)
			}
			if !hasRow(file, cells[1], cells[6], strings.Contains(inode, "-128-")) {
				t.Errorf("%s: no %q of %s bytes in entry %d", name, cells[1], cells[6], num)
			}
		}
		if n < 20 {
			t.Errorf("%s: only %d lines compared", name, n)
		}
	}
}

func hasRow(f File, path, size string, data bool) bool {
	for l := range f.Links() {
		p, _ := l.PathString()
		if !data && (path == p || strings.HasPrefix(path, p+":")) {
			return true
		}
		for s := range f.Streams() {
			full := p
			if len(s.Name()) > 0 {
				full += ":" + utf16.String(s.Name())
			}
			if path == full && (strconv.FormatInt(s.Size(), 10) == size || path == "$BadClus:$Bad") {
				return true
			}
		}
	}
	return false
}
