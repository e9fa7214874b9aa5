package ntfs

import (
	"bytes"
	"context"
	"testing"
)

func account(t testing.TB, b []byte) (*Catalog, *Account) {
	t.Helper()
	c := scan(t, bytes.NewReader(b), int64(len(b)))
	a, err := c.Account(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c, a
}

// Every bit of both bitmaps is explained on a volume that ntfs-3g wrote, and
// each that is changed is found.
func TestAccount(t *testing.T) {
	whole := smallVolume(t)
	c, a := account(t, whole)
	cov := c.Coverage()
	r, k := a.Records, a.Clusters
	if !r.Checked || r.Marked != r.InUse || r.InUse < cov.Live || len(r.NotMarked)+len(r.NotUsed) > 0 {
		t.Errorf("%+v, %+v", r, cov)
	}
	if !k.Checked || k.Allocated != k.Owned || k.Unowned+k.NotMarked+k.Double > 0 || k.Allocated == 0 {
		t.Errorf("%+v", k)
	}
	if len(a.Mirror)+len(a.Damage) > 0 {
		t.Errorf("mirror %v, damage %v", a.Mirror, a.Damage)
	}

	// A cluster of a live file is marked free, and one that nobody has in use.
	bitmap := streamOf(t, c, 6)
	var owned int64 = -1
	for f := range c.Files() {
		if s, ok := f.Stream(""); ok && f.InUse() && f.n >= firstUserRecord && !s.Resident() {
			for run := range s.Runs() {
				if run.LCN > 0 {
					owned = run.LCN
				}
			}
		}
	}
	free := int64(k.Clusters) - 1
	b := bytes.Clone(whole)
	flip(b, bitmap, owned)
	flip(b, bitmap, free)
	_, a = account(t, b)
	if x := a.Clusters; x.NotMarked != 1 || x.Unowned != 1 || x.Allocated != k.Allocated || len(x.Examples) != 1 || x.Examples[0].LCN != owned {
		t.Errorf("%+v", x)
	}

	// A record's in-use flag is taken away, and the mirror differs then for one
	// of the first four.
	b = bytes.Clone(whole)
	b[c.v.mftDisk(int64(firstUserRecord+1)*int64(c.v.geo.RecordSize))+22] ^= FlagInUse
	b[c.v.mftDisk(int64(3)*int64(c.v.geo.RecordSize))+8] ^= 1
	_, a = account(t, b)
	if len(a.Records.NotUsed) != 1 || a.Records.NotUsed[0] != firstUserRecord+1 {
		t.Errorf("%+v", a.Records)
	}
	if len(a.Mirror) != 1 || a.Mirror[0] != 3 {
		t.Errorf("mirror %v", a.Mirror)
	}
}

// An unreadable $MFT:$BITMAP is told, and no entry is said to differ from it.
func TestAccountBitmapLost(t *testing.T) {
	whole := smallVolume(t)
	c, _ := account(t, whole)
	f, _ := c.File(0)
	at := int64(-1)
	for s := range f.Attributes() {
		if s.Type() == AttrBitmap {
			for x := range s.Extents() {
				at = x.Disk
			}
		}
	}
	if at < 0 {
		t.Fatal("no clusters of $MFT:$BITMAP")
	}
	c = scan(t, badReader{bytes.NewReader(whole), at, 512}, int64(len(whole)))
	a, err := c.Account(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r := a.Records; r.Checked || len(r.NotMarked)+len(r.NotUsed) > 0 {
		t.Errorf("%+v", r)
	}
	if len(a.Damage) != 1 || a.Damage[0].Kind != Unreadable || a.Damage[0].Off != at {
		t.Errorf("damage %+v, the bitmap is at %#x", a.Damage, at)
	}
}

func streamOf(t testing.TB, c *Catalog, record uint64) *Reader {
	t.Helper()
	f, _ := c.File(record)
	s, ok := f.Stream("")
	if !ok {
		t.Fatalf("entry %d has no content", record)
	}
	rd, err := s.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	return rd
}

func flip(b []byte, bitmap *Reader, bit int64) { b[bitmap.DiskOffset(bit/8)] ^= 1 << (bit % 8) }
