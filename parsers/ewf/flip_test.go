package ewf

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing"
)

// flipSet is an image in two segments, too small for NewWriter to make: a flip
// of every byte has to be quick.
func flipSet(t *testing.T) (s *set, media []byte) {
	media = append(noise(8<<10), bytes.Repeat([]byte("text of the medium\n"), 1700)...)
	media = append(media, noise(4<<10)...)
	media = media[:len(media)/512*512]
	o := settings(media)
	o.SectorsPerChunk = 16
	s = &set{}
	w := &Writer{o: s.options(o)}
	if err := w.begin(); err != nil {
		t.Fatal(err)
	}
	stored, compressed := chunksOf(t, media, o)
	for i := range stored {
		if i == 3 {
			w.closeGroup()
			if err := w.next(); err != nil {
				t.Fatal(err)
			}
		}
		w.Append(stored[i], compressed[i])
	}
	m, h := md5.Sum(media), sha1.Sum(media)
	if err := w.Finish(m[:], h[:], []SectorRun{{1, 1}}); err != nil {
		t.Fatal(err)
	}
	if len(s.files) != 2 {
		t.Fatalf("%d segments", len(s.files))
	}
	return s, media
}

// A flipped bit anywhere is noticed without any other paper, unless it changes
// nothing: some bits of deflate streams are not read, others copy the same bytes
// from another place. quiet has compared the medium then.
func TestEveryFlipIsNoticed(t *testing.T) {
	s, media := flipSet(t)
	if !quiet(s, media) {
		t.Fatal("the image itself is not in order")
	}
	flips, silent := 0, map[string]int{}
	for n, f := range s.files {
		for i := range f.b {
			kind, stream := place(f.b, i)
			if stream && i%7 != 0 { // their own checksum holds each bit in the same way
				continue
			}
			bit := byte(1) << (i % 8)
			f.b[i] ^= bit
			flips++
			if quiet(s, media) {
				silent[kind]++
				if !stream {
					t.Errorf("segment %d, byte %d of %d (%s), bit %#x is silent", n+1, i, len(f.b), kind, bit)
				}
			}
			f.b[i] ^= bit
		}
	}
	t.Logf("%d flips; of streams, those that change nothing of what they hold: %v", flips, silent)
}

// Bytes that were added belong to nothing, and are told.
func TestAddedBytes(t *testing.T) {
	for segment := range 2 {
		s, media := flipSet(t)
		f := s.files[segment]
		f.b = append(f.b, 0)
		if quiet(s, media) {
			t.Errorf("a byte behind segment %d is silent", segment+1)
		}
	}
	s, media := flipSet(t)
	f := s.files[0]
	if !quiet(s, media) {
		t.Fatal("the image itself is not in order")
	}
	off := 13 // the first section's descriptor leads over a byte that none has
	next := binary.LittleEndian.Uint64(f.b[off+16:])
	gap := append(bytes.Clone(f.b[:next]), 0)
	gap = append(gap, descriptor("next", int64(len(gap)), 0)...)
	copy(gap[off:], descriptor("header2", int64(next)+1, int64(next)-int64(off)))
	r := &Reader{}
	r.sections(&segment{r: bytes.NewReader(gap), size: int64(len(gap))})
	if p := r.Problems(); len(p) != 1 || p[0].Off != int64(next) || p[0].What != `1 bytes between section "header2" and the next belong to none` {
		t.Errorf("a gap: %+v", p)
	}
	copy(gap[off:], descriptor("header2", int64(next)+1, int64(next)+1-int64(off))) // or is its own
	r = &Reader{}
	var a scanned
	seg := &segment{r: bytes.NewReader(gap), size: int64(len(gap))}
	secs, _ := r.sections(seg)
	a.take(r, seg, secs)
	if p := r.Problems(); len(p) != 1 || p[0].Off != int64(next) || p[0].What != `section "header2": 1 bytes behind what it holds` {
		t.Errorf("a payload with more: %+v", p)
	}
}

// place tells which section a byte lies in, and whether that is the payload of
// one that is a deflate stream or made of chunks.
func place(b []byte, at int) (kind string, stream bool) {
	for off := 13; at >= off; {
		kind = string(bytes.TrimRight(b[off:off+16], "\x00"))
		next := int(binary.LittleEndian.Uint64(b[off+16:]))
		if next == off || at < next {
			return kind, at >= off+76 && (kind == "header" || kind == "header2" || kind == "sectors")
		}
		off = next
	}
	return "file header", false
}

// quiet tells whether a reader finds nothing wrong.
func quiet(s *set, media []byte) bool {
	var src []Source
	for i, f := range s.files {
		src = append(src, Source{fmt.Sprintf("d.E0%d", i+1), bytes.NewReader(f.b), int64(len(f.b))})
	}
	r, err := Open(src, Options{CacheBytes: 1, Workers: 1})
	if err != nil {
		return false
	}
	defer r.Close()
	got := make([]byte, r.Size())
	if _, err := r.ReadAt(got, 0); err != nil {
		return false
	}
	r.Check()
	m, h := md5.Sum(got), sha1.Sum(got)
	for _, d := range r.Digests() {
		if d.Sum != map[string]string{"md5": hex.EncodeToString(m[:]), "sha1": hex.EncodeToString(h[:])}[d.Alg] {
			return false
		}
	}
	return len(r.Problems()) == 0 && bytes.Equal(got, media) && len(r.Digests()) == 3
}
