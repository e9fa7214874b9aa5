package acquire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Medium is what is acquired.
type Medium struct {
	Source
	Size      int64 // bytes, as the medium has them
	Sector    int   // bytes of a logical sector
	Model     string
	Serial    string
	Physical  bool // a whole device, no volume
	Removable bool
}

// Options of an acquisition. What the zero value of a field does stands beside
// it.
type Options struct {
	Image       string // path of the image, its first segment
	Format      string // one of Formats
	Level       string // "fast", "default", "best"; "": the format's own, see Level
	SegmentSize int64  // bytes at most in a file of E01 and raw; 0: 2 GiB for E01, one file for raw
	Hashes      []string
	NoBlocks    bool // no digests per MiB; they cost as much as SHA-256 of the whole
	Header      Header
	Tool        string // name and version, at most 11 letters go into an E01
	Checkpoint  int64  // bytes of the medium between two checkpoints; 0: 256 MiB
	Now         func() time.Time
	Progress    Progress
}

// DefaultHashes are the digests of a format where none are asked for.
func DefaultHashes(format string) []string {
	if format == Zst {
		return []string{"sha256"}
	}
	return []string{"md5", "sha1", "sha256"}
}

// FormatOf is the format that a name's ending stands for, "" for none.
func FormatOf(name string) string {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".e01":
		return E01
	case ".zst":
		return Zst
	case ".raw", ".dd", ".img", ".001":
		return Raw
	}
	return ""
}

const (
	defaultSegment    = 2 << 30
	defaultCheckpoint = 256 << 20
)

// Result is what came of an acquisition.
type Result struct {
	Plan     Plan
	Segments []Segment
	Digests  map[string]string
	Root     string // SHA-256 of the per-MiB digests in BlocksName, "" without them
	Bad      []Bad
	Speed    Speed
	Started  time.Time
	Resumed  []time.Time
	Ended    time.Time
}

// Segment is a file of the image.
type Segment struct {
	Path   string
	Size   int64
	SHA256 string // "" where the image was not read back
}

// ErrExists says that an output is there already.
var ErrExists = errors.New("exists; an image is never written over")

// Stopped is the error of a run that ended on its way. The image is kept, and
// Resume goes on with it.
type Stopped struct{ Err error }

func (e *Stopped) Error() string { return e.Err.Error() }
func (e *Stopped) Unwrap() error { return e.Err }

// Begin makes an image from the medium's first byte on.
func Begin(ctx context.Context, m *Medium, o Options) (*Result, error) {
	if err := vacant(o.Image); err != nil {
		return nil, err
	}
	plan, err := newPlan(m, o)
	if err != nil {
		return nil, err
	}
	r := &run{image: o.Image, src: m.Source, plan: plan, now: o.Now, every: every(o)}
	dir, base := filepath.Split(o.Image)
	r.files = &files{format: plan.Format, base: base, split: plan.Format == Raw && plan.SegmentSize > 0, here: absolute(dir), places: []Place{{From: 1}}}
	if r.hashes, err = newDigester(plan.Hashes, nil); err != nil {
		return nil, err
	}
	r.speed = newSpeed(plan.Size)
	r.check = Checkpoint{Schema: schema, Base: base, Plan: *plan, Source: identity(m), Places: r.files.places,
		Started: o.Now().UTC(), Speed: r.speed.clone()}
	if r.check.Hashes, err = r.hashes.states(); err != nil {
		return nil, err
	}
	// Before the first file is made: whoever is killed now can go on too.
	if err := r.check.write(o.Image); err != nil {
		return nil, err
	}
	if r.out, err = newOutput(plan, r.files, nil); err != nil {
		if _, none := os.Lstat(o.Image); none != nil {
			os.Remove(PartialName(o.Image)) // nothing was begun
		}
		return nil, err
	}
	defer r.out.close()
	if plan.Blocks {
		if r.blocks, err = newBlocks(o.Image, 0, false); err != nil {
			return nil, err
		}
		defer r.blocks.close()
	}
	return r.do(ctx, o)
}

// Resume goes on with an image from its checkpoint. Where from is not "", that
// is the image that was begun, in a folder that is full: the segments that are
// complete stay there, the rest goes to o.Image's folder. Only what does not
// decide the image's bytes is taken from the options.
func Resume(ctx context.Context, m *Medium, o Options, from string) (*Result, error) {
	begun := o.Image
	if from != "" {
		begun = from
		if filepath.Base(from) != filepath.Base(o.Image) {
			return nil, fmt.Errorf("%s: must have the name that the image began with, %s", o.Image, filepath.Base(from))
		}
		if err := vacant(o.Image); err != nil {
			return nil, err
		}
	}
	c, err := ReadCheckpoint(begun)
	if err != nil {
		return nil, err
	}
	if err := c.same(m, o); err != nil {
		return nil, err
	}
	r := &run{image: o.Image, src: m.Source, plan: &c.Plan, now: o.Now, every: every(o), check: *c, bad: c.Bad, speed: c.Speed.clone()}
	r.files = &files{format: c.Plan.Format, base: c.Base, split: c.Plan.Format == Raw && c.Plan.SegmentSize > 0,
		here: absolute(filepath.Dir(begun)), places: slices.Clone(c.Places)}
	if err := r.reopen(from); err != nil {
		return nil, err
	}
	defer r.out.close()
	if c.Plan.Blocks {
		if r.blocks, err = newBlocks(o.Image, c.Next, true); err != nil {
			return nil, fmt.Errorf("the digests per MiB: %w; begin anew", err)
		}
		defer r.blocks.close()
	}
	r.check.Places = r.files.places
	r.check.Resumed = append(r.check.Resumed, o.Now().UTC())
	if r.hashes, err = newDigester(c.Plan.Hashes, c.Hashes); err != nil {
		return nil, err
	}
	return r.do(ctx, o)
}

// reopen takes the output up again where the checkpoint says, after looking
// whether what was written last is still there.
func (r *run) reopen(from string) (err error) {
	c := &r.check
	if c.Segment == 0 { // no more than begun
		if from != "" {
			return fmt.Errorf("%s: nothing of it was written yet; begin anew", from)
		}
		if err := r.files.removeFrom(1); err != nil {
			return err
		}
		r.out, err = newOutput(r.plan, r.files, nil)
		return err
	}
	old, err := r.files.name(c.Segment)
	if err != nil {
		return err
	}
	f, err := os.Open(old)
	if err != nil {
		return err
	}
	sum, err := c.Tail.crc(f)
	f.Close()
	if err != nil || sum != c.Tail.CRC {
		return fmt.Errorf("%s: its last %d bytes before %d are not those that the checkpoint speaks of; begin anew", old, c.Tail.Len, c.End)
	}
	if err := r.files.removeFrom(c.Segment + 1); err != nil {
		return err
	}
	if from != "" {
		if err := r.files.moveTo(absolute(filepath.Dir(r.image)), c.Segment, c.End); err != nil {
			return err
		}
		if c.Plan.Blocks {
			if err := copyFile(BlocksName(from), BlocksName(r.image), c.Next/BlockSize*sha256.Size); err != nil {
				return err
			}
		}
		c.Places = r.files.places
		if err := c.write(r.image); err != nil {
			return err
		}
		for _, name := range []string{old, BlocksName(from), PartialName(from)} {
			os.Remove(name) // copies are in the new place
		}
	}
	r.out, err = newOutput(r.plan, r.files, c.Writer)
	return err
}

// do streams and finishes.
func (r *run) do(ctx context.Context, o Options) (*Result, error) {
	r.add, r.note = func(int64) {}, func(string) {}
	if o.Progress != nil {
		o.Progress.Start("acquiring", r.plan.Size)
		o.Progress.Add(r.check.Next)
		r.add, r.note = o.Progress.Add, o.Progress.Note
	}
	if r.check.Next < r.plan.Size {
		if err := r.stream(ctx); err != nil {
			return nil, &Stopped{err}
		}
	}
	sums := r.hashes.sums()
	if err := r.out.finish(sums, r.bad); err != nil {
		return nil, &Stopped{err}
	}
	root, err := r.blocks.finish()
	if err != nil {
		return nil, err
	}
	res := &Result{Plan: *r.plan, Digests: sums, Root: root, Bad: r.bad, Speed: r.speed,
		Started: r.check.Started, Resumed: r.check.Resumed, Ended: o.Now().UTC()}
	for n := 1; ; n++ {
		name, err := r.files.name(n)
		if err != nil {
			break
		}
		st, err := os.Stat(name)
		if err != nil {
			break
		}
		res.Segments = append(res.Segments, Segment{Path: name, Size: st.Size()})
	}
	return res, nil
}

// vacant refuses a name that is taken, by an image or its papers.
func vacant(image string) error {
	for _, name := range []string{PartialName(image), image, image + ".json", image + ".jsonld", image + ".map", BlocksName(image)} {
		_, err := os.Lstat(name)
		if err == nil && name == PartialName(image) {
			return fmt.Errorf("%s was begun and not finished: --resume goes on with it", image)
		}
		if err == nil {
			return fmt.Errorf("%s %w", name, ErrExists)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func every(o Options) int64 {
	if o.Checkpoint > 0 {
		return o.Checkpoint
	}
	return defaultCheckpoint
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// newPlan fixes all that decides the image's bytes.
func newPlan(m *Medium, o Options) (*Plan, error) {
	if m.Size <= 0 {
		return nil, errors.New("the source is empty")
	}
	p := &Plan{Format: o.Format, Level: o.Level, SegmentSize: o.SegmentSize, Hashes: o.Hashes, Blocks: !o.NoBlocks, Sector: m.Sector,
		Size: padTo(m.Size, m.Sector), TrueSize: m.Size, Physical: m.Physical, Removable: m.Removable,
		Header: o.Header, Model: m.Model, Serial: m.Serial, Acquired: o.Now().UTC().Truncate(time.Second), Tool: o.Tool}
	if len(p.Hashes) == 0 {
		p.Hashes = DefaultHashes(o.Format)
	}
	if err := complete(p); err != nil {
		return nil, err
	}
	p.GUID = guidOf(identity(m), p)
	return p, nil
}

// guidOf names the set of an image by what it is made of: the same medium,
// settings and second of acquisition have the same name (RFC 9562, version 8).
func guidOf(m Identity, p *Plan) string {
	b, err := json.Marshal([]any{m, p})
	if err != nil {
		panic(err) // plain values
	}
	g := sha256.Sum256(b)
	g[6], g[8] = g[6]&0x0F|0x80, g[8]&0x3F|0x80
	return hex.EncodeToString(g[:16])
}

// identity tells one medium from another.
func identity(m *Medium) Identity {
	return Identity{Size: m.Size, Sector: m.Sector, Model: m.Model, Serial: m.Serial,
		FirstMiB: sumAt(m.Source, 0, min(batchSize, m.Size)), LastMiB: sumAt(m.Source, max(m.Size-batchSize, 0), min(batchSize, m.Size))}
}

// sumAt is the digest of a part of the medium, or says that it cannot be read.
func sumAt(src Source, off, n int64) string {
	b := make([]byte, n)
	if k, err := src.ReadAt(b, off); int64(k) < n {
		return fmt.Sprintf("unreadable: %v", err)
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// same refuses to go on from another medium, with other settings, or with
// another encoder.
func (c *Checkpoint) same(m *Medium, o Options) error {
	now := identity(m)
	was := c.Source
	if now != was {
		return fmt.Errorf("this is not the medium that the image began with: size %d, model %q, serial %q, first MiB %.12s, last %.12s; now %d, %q, %q, %.12s, %.12s",
			was.Size, was.Model, was.Serial, was.FirstMiB, was.LastMiB, now.Size, now.Model, now.Serial, now.FirstMiB, now.LastMiB)
	}
	if e := encoderOf(c.Plan.Format); e != c.Plan.Encoder {
		return fmt.Errorf("the image began with %s, this program has %s: its bytes would differ; go on with the program that began it, or begin anew", c.Plan.Encoder, e)
	}
	if c.Next > 0 {
		n := (c.Next-1)%batchSize + 1
		if s := sumAt(m.Source, c.Next-n, n); s != c.LastMiB && !c.damaged(c.Next-n, n) {
			return fmt.Errorf("the medium has changed: the MiB before %d is not what was read", c.Next)
		}
	}
	for _, x := range []struct{ what, was, now string }{
		{"format", c.Plan.Format, o.Format}, {"compression", c.Plan.Level, o.Level},
		{"hash", strings.Join(c.Plan.Hashes, ","), strings.Join(o.Hashes, ",")},
	} {
		if x.now != "" && x.now != x.was {
			return fmt.Errorf("the image began with --%s %s; it cannot go on with %s", x.what, x.was, x.now)
		}
	}
	return nil
}

// damaged tells whether bad sectors lie in a part of the medium: it may read
// otherwise each time.
func (c *Checkpoint) damaged(off, n int64) bool {
	s := int64(c.Plan.Sector)
	return slices.ContainsFunc(c.Bad, func(b Bad) bool { return b.Sector*s < off+n && (b.Sector+b.Count)*s > off })
}
