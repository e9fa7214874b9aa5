package acquire

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"kanshiki/forensics/evidence"
	"kanshiki/forensics/internal/work"
	"kanshiki/forensics/problem"
)

// Back is what reading the image back showed.
type Back struct {
	OK     bool
	Faults []string         // why it is not
	Ranges []evidence.Range // of the medium that are not as they were read
}

// ReadBack reads the image that was written, as any examiner's tool would, and
// compares every MiB with what was read from the medium. It takes the digests of
// the segments on the way; see gets every block of the medium.
func ReadBack(ctx context.Context, res *Result, o Options, see func(*evidence.Block)) (*Back, error) {
	back := &Back{}
	e, err := res.Open(ctx)
	if err != nil {
		back.Faults = append(back.Faults, fmt.Sprintf("it does not open: %v", err))
		return back, nil
	}
	defer e.Close()
	img := e.Image
	if img.Size() != res.Plan.Size {
		back.fault("%d bytes of the medium, not %d", img.Size(), res.Plan.Size)
	}
	if o.Progress != nil {
		o.Progress.Start("reading back", img.Size())
	}
	var segments sync.WaitGroup
	var segErr error
	segments.Go(func() { segErr = hashSegments(ctx, res.Segments) })
	if res.Plan.Blocks {
		err = back.stream(ctx, img, o, see)
	} else {
		err = back.whole(ctx, img, res, o, see)
	}
	segments.Wait()
	if err == nil {
		err = segErr
	}
	if err != nil {
		return nil, err
	}
	for _, p := range img.Problems() {
		if p.Severity == problem.Doubt {
			back.fault("%s: offset %d: %s", p.Source, p.At.Offset, p.Found)
		}
	}
	for _, d := range img.Digests() {
		if have, ok := res.Digests[d.Alg]; ok && have != d.Sum {
			back.fault("the image states %s %s, the medium gave %s", d.Alg, d.Sum, have)
		}
	}
	back.OK = len(back.Faults) == 0
	return back, nil
}

func (b *Back) fault(format string, args ...any) {
	b.Faults = append(b.Faults, fmt.Sprintf(format, args...))
}

// stream compares every MiB with its digest, on all cores.
func (b *Back) stream(ctx context.Context, img evidence.Image, o Options, see func(*evidence.Block)) error {
	list, err := os.Open(BlocksName(o.Image))
	if err != nil {
		return err
	}
	defer list.Close()
	in := make(chan *evidence.Block, 2)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), maxEncoders) {
		wg.Go(func() {
			for x := range in {
				bad := differ(x, list)
				mu.Lock()
				b.Ranges = append(b.Ranges, bad...)
				mu.Unlock()
				see(x)
				x.Release()
			}
		})
	}
	err = evidence.Stream(ctx, img, func(x *evidence.Block) error {
		in <- x
		if o.Progress != nil {
			o.Progress.Add(x.Len)
		}
		return ctx.Err()
	})
	close(in)
	wg.Wait()
	slices.SortFunc(b.Ranges, func(x, y evidence.Range) int { return cmp.Compare(x.Off, y.Off) })
	if len(b.Ranges) > 0 {
		b.fault("%d ranges are not as they were read from the medium", len(b.Ranges))
	}
	return err
}

// whole compares the digests of the whole medium, where there are none per MiB.
func (b *Back) whole(ctx context.Context, img evidence.Image, res *Result, o Options, see func(*evidence.Block)) error {
	v := evidence.VerifyOptions{See: see}
	if o.Progress != nil {
		v.Add = o.Progress.Add
	}
	for alg, sum := range res.Digests {
		v.Expect = append(v.Expect, evidence.Digest{Alg: alg, Sum: sum, Scope: "media", Source: "the medium"})
	}
	checks, err := evidence.Verify(ctx, img, v)
	for _, c := range checks {
		if c.Verdict == evidence.Fail {
			b.fault("%s", c.Detail)
			b.Ranges = append(b.Ranges, c.Ranges...)
		}
	}
	return err
}

// differ gives the parts of a block that are not what was read. It begins at a
// border: our chunks and frames divide a MiB, or are whole MiBs.
func differ(x *evidence.Block, list io.ReaderAt) []evidence.Range {
	if len(x.Bad) > 0 || x.Data == nil {
		return x.Bad
	}
	var out []evidence.Range
	for off := int64(0); off < x.Len; off += BlockSize {
		var want [sha256.Size]byte
		n := min(BlockSize, x.Len-off)
		_, err := list.ReadAt(want[:], (x.Off+off)/BlockSize*sha256.Size)
		if err != nil || sha256.Sum256(x.Data[off:off+n]) != want {
			out = append(out, evidence.Range{Off: x.Off + off, Len: n, Kind: evidence.Corrupt})
		}
	}
	return out
}

// hashSegments takes the digest of each file of the image.
func hashSegments(ctx context.Context, all []Segment) error {
	for i := range all {
		f, err := os.Open(all[i].Path)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.CopyBuffer(h, work.Reader(ctx, f), make([]byte, 1<<20))
		f.Close()
		if err != nil {
			return err
		}
		all[i].SHA256 = hex.EncodeToString(h.Sum(nil))
	}
	return nil
}

// Open opens the image that was made, in whatever folders it lies.
func (r *Result) Open(ctx context.Context) (*evidence.Evidence, error) {
	o := evidence.Options{Opener: newOpener(r.Segments), Exhibit: r.Plan.Header.Exhibit}
	if r.Plan.Format != Raw {
		return evidence.OpenImage(ctx, r.Segments[0].Path, o)
	}
	var names []string
	for _, s := range r.Segments {
		names = append(names, s.Path)
	}
	return evidence.OpenRaw(names, o)
}

// opener finds the segments of an image that lies in several folders, as if
// they lay in the first one.
type opener struct {
	evidence.OS
	first string   // folder
	more  []string // the others
}

func newOpener(segments []Segment) opener {
	o := opener{first: filepath.Dir(segments[0].Path)}
	for _, s := range segments {
		if dir := filepath.Dir(s.Path); dir != o.first && !slices.Contains(o.more, dir) {
			o.more = append(o.more, dir)
		}
	}
	return o
}

// ReadDir lists all folders of the image as one.
func (o opener) ReadDir(dir string) ([]fs.DirEntry, error) {
	out, err := o.OS.ReadDir(dir)
	if absolute(dir) != o.first {
		return out, err
	}
	for _, d := range o.more {
		more, e := o.OS.ReadDir(d)
		if e != nil {
			return out, e
		}
		for _, x := range more {
			if !slices.ContainsFunc(out, func(y fs.DirEntry) bool { return y.Name() == x.Name() }) {
				out = append(out, x)
			}
		}
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out, err
}

// Stat finds a segment in the folder where it lies.
func (o opener) Stat(name string) (fs.FileInfo, error) { return o.OS.Stat(o.find(name)) }

// Open opens a segment in the folder where it lies.
func (o opener) Open(name string) (evidence.File, error) { return o.OS.Open(o.find(name)) }

func (o opener) find(name string) string {
	if _, err := os.Stat(name); err == nil || absolute(filepath.Dir(name)) != o.first {
		return name
	}
	for _, d := range o.more {
		other := filepath.Join(d, filepath.Base(name))
		if _, err := os.Stat(other); err == nil {
			return other
		}
	}
	return name
}
