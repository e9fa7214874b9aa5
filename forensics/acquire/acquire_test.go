package acquire

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kanshiki/forensics/evidence"
)

var errPulled = errors.New("no such device (injected)")

// memory is a medium in memory: bad sectors read as zeros, and it can go away
// at an offset.
type memory struct {
	data   []byte
	sector int
	bad    []Bad
	gone   int64 // 0: never
}

func (m *memory) Stream(ctx context.Context, off int64, _ int, emit func(*Batch) error) error {
	for padded := padTo(int64(len(m.data)), m.sector); off < padded; off += batchSize {
		if m.gone > 0 && off >= m.gone {
			return errPulled
		}
		b := &Batch{Off: off, Data: make([]byte, min(batchSize, padded-off)), Took: time.Millisecond}
		copy(b.Data, m.data[off:])
		for _, x := range m.bad {
			if at := x.Sector * int64(m.sector); at >= off && at < off+batchSize {
				clear(b.Data[at-off:][:x.Count*int64(m.sector)])
				b.Bad = append(b.Bad, x)
			}
		}
		if err := emit(b); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	copy(p, m.data[off:])
	return len(p), nil
}

// content is a medium of n bytes: text, noise and zeros by turns.
func content(n int) []byte {
	r := rand.New(rand.NewPCG(7, 7))
	var b bytes.Buffer
	for b.Len() < n {
		switch r.IntN(3) {
		case 0:
			for i := range 20000 {
				fmt.Fprintf(&b, "line %d of the medium %x\n", i, r.Uint32()>>16)
			}
		case 1:
			noise := make([]byte, 300000)
			for i := range noise {
				noise[i] = byte(r.Uint32())
			}
			b.Write(noise)
		default:
			b.Write(make([]byte, 1500000))
		}
	}
	return b.Bytes()[:n]
}

func clock() func() time.Time {
	t := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	return func() time.Time { return t }
}

func medium(data []byte) *Medium {
	return &Medium{Source: &memory{data: data, sector: 512}, Size: int64(len(data)), Sector: 512, Model: "TEST DISK", Serial: "S1", Physical: true}
}

// formats to write, with segments small enough that there are several.
func formats() map[string]Options {
	base := Options{Now: clock(), Checkpoint: 1 << 20, Tool: "test"}
	e01, many, zst, raw, split := base, base, base, base, base
	e01.Format, many.Format, zst.Format, raw.Format, split.Format = E01, E01, Zst, Raw, Raw
	many.SegmentSize, split.SegmentSize = 1<<20, 3<<20
	e01.Image, many.Image, zst.Image, raw.Image, split.Image = "d.E01", "m.E01", "d.zst", "d.raw", "d.001"
	return map[string]Options{"e01": e01, "e01 in segments": many, "zst": zst, "raw": raw, "split raw": split}
}

// dir is what a folder holds, without the checkpoint.
func dir(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(folder, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(e.Name(), ".partial.json") {
				out[e.Name()] = fmt.Sprintf("%d %x", len(b), sha256.Sum256(b))
			}
		}
	}
	return out
}

func TestEveryFormat(t *testing.T) {
	for _, n := range []int{10<<20 + 4096, 5 << 20, 512, 1000, 3<<20 + 100} {
		data := content(n)
		padded := append(bytes.Clone(data), make([]byte, padTo(int64(n), 512)-int64(n))...)
		m5, s1, s2 := md5.Sum(padded), sha1.Sum(padded), sha256.Sum256(padded)
		want := map[string]string{"md5": hex.EncodeToString(m5[:]), "sha1": hex.EncodeToString(s1[:]), "sha256": hex.EncodeToString(s2[:])}
		for name, o := range formats() {
			o.Image = filepath.Join(t.TempDir(), o.Image)
			o.Hashes = Hashes
			res, err := Begin(context.Background(), medium(data), o)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
			if fmt.Sprint(res.Digests) != fmt.Sprint(want) {
				t.Errorf("%s, %d bytes: %v, want %v", name, n, res.Digests, want)
			}
			back, err := ReadBack(context.Background(), res, o, func(*evidence.Block) {})
			if err != nil || !back.OK {
				t.Errorf("%s, %d bytes: read back: %v %+v", name, n, err, back)
				continue
			}
			list, err := os.ReadFile(BlocksName(o.Image))
			if err != nil || len(list) != (n+BlockSize-1)/BlockSize*32 {
				t.Fatalf("%s: %d bytes of digests, %v", name, len(list), err)
			}
			for i := range len(list) / 32 {
				if sum := sha256.Sum256(padded[i*BlockSize : min((i+1)*BlockSize, len(padded))]); !bytes.Equal(sum[:], list[i*32:][:32]) {
					t.Errorf("%s: digest of MiB %d", name, i)
				}
			}
			if root := sha256.Sum256(list); hex.EncodeToString(root[:]) != res.Root {
				t.Errorf("%s: root %s", name, res.Root)
			}
			for _, s := range res.Segments {
				if limit := o.SegmentSize; limit > 0 && s.Size > limit {
					t.Errorf("%s: %s has %d bytes, more than %d", name, s.Path, s.Size, limit)
				}
			}
		}
	}
}

// A medium that goes away at random places, and a run that goes on each time,
// make the same bytes as one that never stopped.
func TestResume(t *testing.T) {
	data := content(24<<20 + 512*3)
	r := rand.New(rand.NewPCG(3, 9))
	for name, o := range formats() {
		t.Run(name, func(t *testing.T) {
			whole, parts := t.TempDir(), t.TempDir()
			image := o.Image
			o.Image = filepath.Join(whole, image)
			if _, err := Begin(context.Background(), medium(data), o); err != nil {
				t.Fatal(err)
			}
			o.Image = filepath.Join(parts, image)
			m := medium(data)
			src := m.Source.(*memory)
			src.gone = 1 + r.Int64N(4<<20)
			_, err := Begin(context.Background(), m, o)
			for stops := 1; err != nil; stops++ {
				if !errors.Is(err, errPulled) || stops > 100 {
					t.Fatal(err)
				}
				c, cerr := ReadCheckpoint(o.Image)
				if cerr != nil {
					t.Fatal(cerr)
				}
				src.gone = c.Next + 1 + r.Int64N(6<<20)
				_, err = Resume(context.Background(), m, o, "")
			}
			os.Remove(PartialName(o.Image))
			if a, b := dir(t, whole), dir(t, parts); fmt.Sprint(a) != fmt.Sprint(b) {
				t.Errorf("not the same:\n%v\n%v", a, b)
			}
		})
	}
}

// What was written last must still be there, and the medium must be the same.
func TestResumeRefuses(t *testing.T) {
	data := content(12 << 20)
	for name, o := range formats() {
		t.Run(name, func(t *testing.T) {
			o.Image = filepath.Join(t.TempDir(), o.Image)
			m := medium(data)
			m.Source.(*memory).gone = 8 << 20
			if _, err := Begin(context.Background(), m, o); !errors.Is(err, errPulled) {
				t.Fatal(err)
			}
			m.Source.(*memory).gone = 0
			refuse := func(what string, m *Medium, o Options, says string) {
				if _, err := Resume(context.Background(), m, o, ""); err == nil || !strings.Contains(err.Error(), says) {
					t.Errorf("%s: %v", what, err)
				}
			}
			other := bytes.Clone(data)
			other[0] ^= 1
			refuse("another medium", medium(other), o, "not the medium that the image began with")
			other = bytes.Clone(data)
			other[7<<20+5] ^= 1
			refuse("a medium that was written to", medium(other), o, "the medium has changed")
			wrong := o
			wrong.Hashes = []string{"md5"}
			refuse("other digests", m, wrong, "it cannot go on with md5")
			c, err := ReadCheckpoint(o.Image)
			if err != nil {
				t.Fatal(err)
			}
			f := files{format: o.Format, base: c.Base, split: o.SegmentSize > 0 && o.Format == Raw, here: filepath.Dir(o.Image), places: c.Places}
			segment, err := f.name(c.Segment)
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(segment)
			if err != nil {
				t.Fatal(err)
			}
			b[c.End-10] ^= 1
			if err := os.WriteFile(segment, b, 0o666); err != nil {
				t.Fatal(err)
			}
			refuse("an image that was changed", m, o, "are not those that the checkpoint speaks of")
		})
	}
}
