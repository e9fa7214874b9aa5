package vss

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/container"
	"kanshiki/parsers/ntfs"
	"kanshiki/parsers/qcow2"
)

// origin opens a volume inside an image of the corpus.
func origin(t testing.TB, rel string, off int64) Origin {
	t.Helper()
	f, err := os.Open(corpus.Path(t, rel))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	q, err := qcow2.Open(container.File{R: f, Size: st.Size()}, qcow2.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return Origin{io.NewSectionReader(q, off, q.Size()-off), q.Size() - off}
}

func openAll(t testing.TB, o Origin, opt Options) (*Volume, []*Snapshot) {
	t.Helper()
	v, err := Open(o.R, o.Size, opt)
	if err != nil {
		t.Fatal(err)
	}
	var out []*Snapshot
	for _, s := range v.Stores {
		n, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		if !s.Complete() || len(s.Problems()) > 0 {
			t.Errorf("store %s: complete %v, %v", s.ID, s.Complete(), s.Problems())
		}
		out = append(out, n)
	}
	if len(v.Problems()) > 0 {
		t.Errorf("%v", v.Problems())
	}
	return v, out
}

// What vshadowinfo 20190323 says (truth/vss.tsv). It takes the places of the
// last store of the catalogue for the only one that vss_2_stor names, and so
// gives it another's ids: the file of bbaa7659 lies where we read.
func TestCorpus(t *testing.T) {
	volumes := map[string]*Volume{}
	for _, row := range corpus.Truth(t, "vss") {
		file := row["file"]
		if volumes[file] == nil {
			off := map[string]int64{"images/vss/plaso/vsstest.qcow2": 0, "images/vss/ntfs-samples/ntfs.qcow2": 1048576}[file]
			if strings.Contains(file, "dfir_ntfs") {
				off = 34603008
			}
			o := origin(t, file, off)
			v, err := Open(o.R, o.Size, Options{})
			if err != nil {
				t.Fatal(err)
			}
			volumes[file] = v
		}
		// The rows have an empty field more than the head: names are one off.
		id, stated, set, copyID, flags := row["creation_time"], row["set_id"], row["copy_id"], row["attribute_flags"], row["volume_size_or_note"]
		var s *Store
		for _, x := range volumes[file].Stores {
			if x.ID.String() == id {
				s = x
			}
		}
		if s == nil {
			t.Errorf("%s: no store %s", file, id)
			continue
		}
		created := time.Unix(0, int64(s.Created-116444736000000000)*100).UTC().Format("Jan 02, 2006 15:04:05.000000000") + " UTC"
		if created != stated {
			t.Errorf("%s: created %s, want %s", s.ID, created, stated)
		}
		if s.ID.String() == "bbaa7659-8204-11eb-90f4-080027768df7" {
			set, copyID = "3cd694d8-90cb-4099-abd4-6ced9485ac1c", "e8e75155-2d2d-45bc-b67e-123e6f20b97d"
		}
		if copyID == "" { // its header lies on the other volume
			if _, err := s.Open(); !errors.Is(err, ErrElsewhere) {
				t.Errorf("%s: %v", s.ID, err)
			}
			continue
		}
		if s.SetID.String() != set || s.CopyID.String() != copyID || fmt.Sprintf("0x%08x", s.Attributes) != flags {
			t.Errorf("%s: set %s, copy %s, flags %#x", s.ID, s.SetID, s.CopyID, s.Attributes)
		}
	}
	if len(volumes) != 4 {
		t.Errorf("%d volumes", len(volumes))
	}
}

// The snapshots as vshadowmount 20190323 gives them: vsstest whole, of the 63
// GiB of ntfs.qcow2 the first 64 MiB and 256 MiB from 3 GiB on, where the $MFT
// lies.
func TestContent(t *testing.T) {
	sum := func(n *Snapshot, ranges ...Range) string {
		h := sha256.New()
		for _, r := range ranges {
			if _, err := io.Copy(h, io.NewSectionReader(n, r.Off, r.Len)); err != nil {
				t.Error(err)
			}
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	_, got := openAll(t, origin(t, "images/vss/plaso/vsstest.qcow2", 0), Options{})
	for i, want := range []string{"c8ada35c641a68447640b250f35e623b7f619aaae26bd55a06b8d4c34ebed1da", "41f940d92a534dd8e940a4983d2a766bcb262373f9dc2006851e81fa3a1fa2f2"} {
		if s := sum(got[i], Range{0, got[i].Size()}); s != want {
			t.Errorf("vsstest, store %d: %s", i+1, s)
		}
	}
	_, got = openAll(t, origin(t, "images/vss/ntfs-samples/ntfs.qcow2", 1048576), Options{})
	for i, want := range []string{"97bba9c2eaec690f236ac6cdef99b448bdbd0101976efd98be8d7f3218abbd13", "0e251f5229d914b3e1f136bb7d73e82d25da5c637392dc5702b8ed6db6baca8d"} {
		if s := sum(got[i], Range{0, 64 << 20}, Range{3 << 30, 256 << 20}); s != want {
			t.Errorf("ntfs-samples, store %d: %s", i+1, s)
		}
	}
	if c := scan(t, got[1]); !names(c)["shadow_2.txt"] { // upstream's word
		t.Error("no shadow_2.txt in the newest copy")
	}
}

func scan(t testing.TB, n *Snapshot) *ntfs.Catalog {
	t.Helper()
	v, err := ntfs.Open(n, n.Size(), ntfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Scan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func names(c *ntfs.Catalog) map[string]bool {
	out := map[string]bool{}
	for f := range c.Files() {
		for l := range f.Links() {
			p, _ := l.PathString()
			out[p] = true
		}
	}
	return out
}

// Stores that lie on another volume. libvshadow does not read these; that both
// copies are whole is proven by their own sums: each bit of both bitmaps of the
// file system is explained, and no record is torn.
func TestTwoVolumes(t *testing.T) {
	const off = 34603008
	v, got := openAll(t, origin(t, "images/vss/dfir_ntfs/vss_1_vol.qcow2", off),
		Options{Others: []Origin{origin(t, "images/vss/dfir_ntfs/vss_2_stor.qcow2", off)}})
	if len(got) != 2 || v.StorageID == v.ID {
		t.Fatalf("%d copies, storage %s", len(got), v.StorageID)
	}
	for i, n := range got {
		c := scan(t, n)
		a, err := c.Account(context.Background())
		if err != nil || len(c.Damage()) > 0 || !a.Clusters.Checked || a.Clusters.Unowned+a.Clusters.NotMarked+a.Clusters.Double > 0 ||
			a.Records.Marked != a.Records.InUse {
			t.Errorf("copy %d: %v, %v, %+v %+v", i+1, err, c.Damage(), a.Records, a.Clusters)
		}
	}
}

// What dfir_ntfs says of the two volumes (msuhanov, commit ec3ae08, test_cases.py,
// test_shadow_two_volumes_1): a file of ones, later of twos; and the MD5 of all
// allocated clusters but the last, as The Sleuth Kit extracted them where Windows
// showed the copies. In the second Windows showed blocks of its own as zeros.
func TestTwoVolumesUpstream(t *testing.T) {
	const off, cluster = 34603008, 4096
	_, got := openAll(t, origin(t, "images/vss/dfir_ntfs/vss_1_vol.qcow2", off),
		Options{Others: []Origin{origin(t, "images/vss/dfir_ntfs/vss_2_stor.qcow2", off)}})
	want := []struct {
		text   byte
		zeroed bool
		md5    string
	}{{'1', false, "1c3920a329d6ce78bd6b837fad79e4e4"}, {'2', true, "2f2e7ea121b37b2d83ff6a86648441fd"}}
	if len(got) != len(want) {
		t.Fatalf("%d copies", len(got))
	}
	for i, n := range got {
		b := make([]byte, 172*cluster)
		if _, err := n.ReadAt(b, 1837*cluster); err != nil || !bytes.Equal(b, append(bytes.Repeat([]byte{want[i].text}, 703800), make([]byte, 712)...)) {
			t.Errorf("copy %d: %v, %.20q", i+1, err, b)
		}
		h := md5.New()
		bitmap := content(t, scan(t, n), 6)
		b = b[:cluster]
		for k := range int64(len(bitmap)*8 - 1) {
			if bitmap[k/8]>>(k%8)&1 == 0 {
				continue
			}
			if m, err := n.ReadAt(b, k*cluster); m < cluster {
				t.Fatal(k, err)
			}
			if want[i].zeroed && bytes.HasPrefix(b, identifier[:]) {
				clear(b)
			}
			h.Write(b)
		}
		if s := hex.EncodeToString(h.Sum(nil)); s != want[i].md5 {
			t.Errorf("copy %d: %s", i+1, s)
		}
	}

	_, got = openAll(t, origin(t, "images/vss/dfir_ntfs/vss_2_stor.qcow2", off), Options{})
	if len(got) != 1 {
		t.Fatalf("%d copies of the volume of stores", len(got))
	}
	b := make([]byte, 2*cluster)
	if _, err := got[0].ReadAt(b, 40*cluster); err != nil || !bytes.Equal(b, append(bytes.Repeat([]byte("STORAGE"), 1100), make([]byte, 492)...)) {
		t.Errorf("%v, %.20q", err, b)
	}
	if sum := md5.Sum(content(t, scan(t, got[0]), 0)); hex.EncodeToString(sum[:]) != "58f3e851fa2c9b9c7a631db912386e21" {
		t.Errorf("$MFT: %x", sum)
	}
}

// content is the unnamed stream of an entry.
func content(t *testing.T, c *ntfs.Catalog, entry uint64) []byte {
	t.Helper()
	f, _ := c.File(entry)
	s, ok := f.Stream("")
	if !ok {
		t.Fatal(entry)
	}
	rd, err := s.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := rd.WriteTo(&b); err != nil {
		t.Error(err)
	}
	return b.Bytes()
}

// Without the volume the error names the one that is wanted.
func TestElsewhere(t *testing.T) {
	o := origin(t, "images/vss/dfir_ntfs/vss_1_vol.qcow2", 34603008)
	v, err := Open(o.R, o.Size, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Stores[0].Open(); !errors.Is(err, ErrElsewhere) || !strings.Contains(err.Error(), "bbaa763c") {
		t.Errorf("%v", err)
	}
}

// A store that the catalogue lost is found by its header, and reads the same.
func TestSearch(t *testing.T) {
	b, stores := build()
	want, _ := io.ReadAll(io.NewSectionReader(stores[0], 0, stores[0].Size()))
	clear(b[catAt+blockHead : catAt+blockHead+2*entrySize]) // both entries of the oldest
	v, err := Open(bytes.NewReader(b), int64(len(b)), Options{Search: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Stores) != 2 || !v.Stores[0].Found || v.Stores[1].Found {
		t.Fatalf("%d stores", len(v.Stores))
	}
	n, err := v.Stores[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	copy(want[catAt:], b[catAt:catAt+blockSize]) // the catalogue is as it is today
	if got, err := io.ReadAll(io.NewSectionReader(n, 0, n.Size())); err != nil || !bytes.Equal(got, want) {
		t.Errorf("equal %v, %v", bytes.Equal(got, want), err)
	}
}
