package evidence

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"kanshiki/forensics/custody"
	"kanshiki/forensics/internal/work"
)

// Record is the custody record of an image, to be held against the image: its
// digests of the medium, of every MiB, and of the files.
type Record struct {
	*custody.Sidecar
	dir    string   // of the image
	blocks *os.File // 32 bytes of SHA-256 per block; nil where there are none that can be trusted
	faults []string
}

// OpenRecord reads the record that lies beside an image, by the name of its
// first segment. There is none where the error is fs.ErrNotExist.
func OpenRecord(first string) (*Record, error) {
	s, err := custody.ReadSidecar(first)
	if err != nil {
		return nil, err
	}
	r := &Record{Sidecar: s, dir: filepath.Dir(first)}
	if s.Blocks != nil {
		r.readBlocks()
	}
	return r, nil
}

// readBlocks reads the digests per MiB, which the record's root speaks for.
func (r *Record) readBlocks() {
	b := r.Blocks
	if b.File != filepath.Base(b.File) || b.BlockSize != blockSize || b.Count != (r.Image.Size+blockSize-1)/blockSize {
		r.fault("the record's digests per MiB: %d of %d bytes in %s, for %d bytes of the medium", b.Count, b.BlockSize, b.File, r.Image.Size)
		return
	}
	f, err := os.Open(filepath.Join(r.dir, b.File))
	if err != nil {
		r.fault("the digests per MiB: %v", plainError(b.File, err))
		return
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	switch {
	case err == nil && n != b.Count*sha256.Size:
		r.fault("%s has %d bytes, the record says %d digests", b.File, n, b.Count)
	case err != nil || hex.EncodeToString(h.Sum(nil)) != b.Root:
		r.fault("%s is not what the record's root speaks for", b.File)
	default:
		r.blocks = f
		return
	}
	f.Close()
}

// Close lets the digests per MiB go.
func (r *Record) Close() error {
	if r.blocks == nil {
		return nil
	}
	return r.blocks.Close()
}

func (r *Record) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// strongest is the digest of the whole medium that speaks for all of them.
func (r *Record) strongest() []Digest {
	for i := len(Algorithms) - 1; i >= 0; i-- {
		for _, d := range r.Sidecar.Digests {
			if d.Alg == Algorithms[i] {
				return []Digest{{Alg: d.Alg, Sum: d.Sum, Scope: "media", Source: "custody record"}}
			}
		}
	}
	return nil
}

// compare holds what the image states of its medium against what the record
// says: where that is the same, one proof serves both. rest is what the record
// does not have.
func (r *Record) compare(img Image) (said []string, same bool, rest []Digest) {
	same = true
	for _, d := range joined(img.Digests()) {
		i := slices.IndexFunc(r.Sidecar.Digests, func(m custody.MediaDigest) bool { return m.Alg == d.Alg })
		switch {
		case i < 0:
			rest = append(rest, d)
		case r.Sidecar.Digests[i].Sum != d.Sum:
			same = false
			said = append(said, fmt.Sprintf("%s: stated %s (%s), recorded %s", d.Alg, d.Sum, d.Source, r.Sidecar.Digests[i].Sum))
		default:
			said = append(said, fmt.Sprintf("%s %s (%s, as recorded)", d.Alg, d.Sum, d.Source))
		}
	}
	return said, same, rest
}

// recordCheck holds an image against its record: every MiB where there are
// digests of them, on all cores, and the image's files. A nil one is none.
type recordCheck struct {
	r    *Record
	all  bool // every MiB
	in   chan *sharedBlock
	wg   sync.WaitGroup
	mu   sync.Mutex
	bad  []Range
	odd  bool // blocks did not begin where digests do: nothing is proven
	segs []string
	err  error
}

func newRecordCheck(ctx context.Context, r *Record, size int64) *recordCheck {
	if r == nil {
		return nil
	}
	c := &recordCheck{r: r, in: make(chan *sharedBlock, 2), all: r.blocks != nil && size == r.Image.Size}
	for range runtime.GOMAXPROCS(0) {
		c.wg.Go(func() {
			for b := range c.in {
				c.block(b.Block)
				b.done()
			}
		})
	}
	c.wg.Go(func() { c.segs, c.err = r.segments(ctx) })
	return c
}

// wants tells whether blocks are compared.
func (c *recordCheck) wants() bool { return c != nil && c.all }

func (c *recordCheck) block(b *Block) {
	if b.Data == nil || len(b.Bad) > 0 {
		return // known to be bad
	}
	var bad []Range
	odd := b.Off%blockSize != 0
	for off := int64(0); off < b.Len && !odd; off += blockSize {
		n := min(blockSize, b.Len-off)
		odd = n < blockSize && b.Off+off+n != c.r.Image.Size
		var want [sha256.Size]byte
		_, err := c.r.blocks.ReadAt(want[:], (b.Off+off)/blockSize*sha256.Size)
		if !odd && (err != nil || sha256.Sum256(b.Data[off:off+n]) != want) {
			bad = append(bad, Range{b.Off + off, n, Corrupt})
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad = append(c.bad, bad...)
	c.odd = c.odd || odd
}

func (c *recordCheck) end() {
	if c == nil {
		return
	}
	close(c.in)
	c.wg.Wait()
	slices.SortFunc(c.bad, func(a, b Range) int { return cmp.Compare(a.Off, b.Off) })
}

// segments compares the image's files with the record.
func (r *Record) segments(ctx context.Context) (faults []string, err error) {
	for _, s := range r.Image.Segments {
		name := filepath.Join(r.dir, filepath.Base(s.Name))
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, s.Name+" is missing")
			continue
		}
		if err != nil {
			return faults, err
		}
		st, err := f.Stat()
		switch {
		case err != nil:
		case st.Size() != s.Size:
			faults = append(faults, fmt.Sprintf("%s has %d bytes, the record says %d", s.Name, st.Size(), s.Size))
		case s.SHA256 != "":
			h := sha256.New()
			if _, err = io.CopyBuffer(h, work.Reader(ctx, f), make([]byte, 1<<20)); err == nil && hex.EncodeToString(h.Sum(nil)) != s.SHA256 {
				faults = append(faults, s.Name+" is not the file that the record speaks of (SHA-256)")
			}
		}
		f.Close()
		if err != nil {
			return faults, err
		}
	}
	return faults, nil
}

// addTo puts to the verdict on the digests what the record says besides.
func (c *recordCheck) addTo(d *Check) {
	if c == nil {
		return
	}
	fail := func(s string) {
		d.Verdict = Fail
		d.Detail += "; " + s
	}
	for _, s := range append(slices.Clone(c.r.faults), c.segs...) {
		fail(s)
	}
	if c.r.State != "complete" {
		fail(fmt.Sprintf("the record's state is %q", c.r.State))
	}
	if d.Verdict == Fail && len(c.segs) > 0 && len(d.Ranges) == 0 {
		d.Detail += "; the medium's content is as recorded"
	}
}

// verdict on what was compared with the record: every MiB where there are
// digests of them, and what the image states itself.
func (c *recordCheck) verdict(img Image, bad *rangeSet) Check {
	out := Check{Name: "digests", Verdict: Pass, Ranges: bad.in(0, 1<<62)}
	var said []string
	if c.all {
		out.Ranges = append(out.Ranges, c.bad...)
		slices.SortFunc(out.Ranges, func(a, b Range) int { return cmp.Compare(a.Off, b.Off) })
		said = append(said, fmt.Sprintf("every MiB has the SHA-256 of the custody record (root %s)", c.r.Blocks.Root))
		if n := len(out.Ranges); n > 0 {
			out.Verdict = Fail
			said[0] = plural(n, "range") + " of the medium not as recorded"
		}
	}
	more, same, _ := c.r.compare(img)
	if !same {
		out.Verdict = Fail
	}
	out.Detail = strings.Join(append(said, more...), "; ")
	return out
}
