package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/acquire"
	"kanshiki/forensics/custody"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/picture"
	"kanshiki/parsers/ddrescue"
)

// end is what follows the last byte: reading back, the papers, the report.
type end struct {
	q       *request
	src     *source
	res     *acquire.Result
	took    time.Duration
	back    *acquire.Back    // nil with --no-verify
	picture *picture.Picture // nil with --no-verify
	record  *custody.Sidecar
	ended   time.Time
}

func (e *end) finish(ctx context.Context, show *cli.Progress, stdout, stderr io.Writer) error {
	if !e.q.noVerify {
		if err := e.readBack(ctx); err != nil {
			show.Done()
			return e.src.stopped(e.q, &acquire.Stopped{Err: fmt.Errorf("reading back: %w", err)}, stderr)
		}
		show.Done()
	}
	if err := e.papers(stderr); err != nil {
		return fmt.Errorf("the image is whole, its papers are not: %w", err)
	}
	if err := os.Remove(acquire.PartialName(e.q.output)); err != nil {
		return err
	}
	if err := e.file(); err != nil {
		return fmt.Errorf("the image is whole, the case has no note of it: %w", err)
	}
	e.report(stdout)
	return e.code()
}

// maxEntries bounds the memory that looking at files takes, 0.3 KiB each: the
// machine that acquires may have little.
const maxEntries = 100_000

// readBack compares the image with what was read, and looks at what it holds.
func (e *end) readBack(ctx context.Context) (err error) {
	look := picture.New(e.res.Plan.Size)
	if e.back, err = acquire.ReadBack(ctx, e.res, e.q.o, look.See); err != nil {
		return err
	}
	e.ended = time.Now()
	e.picture = look.Picture()
	if ev, err := e.res.Open(ctx); err == nil {
		defer ev.Close()
		if err := e.picture.Files(ctx, ev, maxEntries); err != nil {
			return err
		}
	}
	s := speed(&e.res.Speed)
	e.picture.Judge(&picture.Speed{Step: s.Step, MS: s.MS})
	return nil
}

// code says how it ended: a mismatch is worse than a gap.
func (e *end) code() error {
	switch {
	case e.back != nil && !e.back.OK:
		return cli.Exit(cli.No, errors.New("the image is not what was read from the source"))
	case e.digestsFail():
		return cli.Exit(cli.No, errors.New("the source's content is not what its stored digests say"))
	case len(e.res.Bad) > 0:
		return cli.Exit(cli.Gaps, nil)
	}
	return nil
}

func (e *end) digestsFail() bool {
	if o := e.record.CarriedOver; o != nil {
		for _, d := range o.Digests {
			if d.Verdict == string(evidence.Fail) {
				return true
			}
		}
	}
	return false
}

// papers writes what lies beside the image.
func (e *end) papers(stderr io.Writer) error {
	e.record = e.sidecar(stderr)
	var m bytes.Buffer
	if err := e.rescueMap().Write(&m, "Mapfile of "+name+", in the form of GNU ddrescue"); err != nil {
		return err
	}
	if err := acquire.WriteFile(e.q.output+".map", m.Bytes()); err != nil {
		return err
	}
	b, err := e.record.Bytes()
	if err != nil {
		return err
	}
	if err := acquire.WriteFile(custody.SidecarName(e.q.output), b); err != nil {
		return err
	}
	if b, err = e.record.CaseUCO(); err == nil {
		err = acquire.WriteFile(e.q.output+".jsonld", b)
	}
	if err != nil {
		return err
	}
	return e.sign()
}

// sign signs the record as it lies there.
func (e *end) sign() error {
	if e.q.record.key == "" {
		return nil
	}
	name := custody.SidecarName(e.q.output)
	paper, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(e.q.record.key)
	if err != nil {
		return err
	}
	comment := fmt.Sprintf("custody record of %s, signed %s", base(e.q.output), time.Now().UTC().Format(time.RFC3339))
	sig, err := custody.Sign(paper, key, comment, e.q.record.password)
	if err != nil {
		return fmt.Errorf("sign with %s: %w", e.q.record.key, err)
	}
	return acquire.WriteFile(custody.SignatureName(name), sig)
}

// rescueMap says in ddrescue's words what was read.
func (e *end) rescueMap() *ddrescue.Map {
	sector, size := int64(e.res.Plan.Sector), e.res.Plan.TrueSize
	var unread []ddrescue.Block
	for _, b := range e.res.Bad {
		status := ddrescue.BadSector
		if b.Tries == 0 && (e.src.dev != nil || b.What == string(evidence.Unknown)) { // left out, and no image's word that it failed
			status = ddrescue.NonTried
		}
		off := b.Sector * sector
		unread = append(unread, ddrescue.Block{Off: off, Len: min(b.Count*sector, size-off), Status: status})
	}
	return ddrescue.Of(size, unread)
}

// file notes the image in the case.
func (e *end) file() error {
	if e.q.record.caseDir == "" {
		return nil
	}
	c, err := custody.Open(e.q.record.caseDir)
	if err != nil {
		return err
	}
	defer c.Close()
	path, err := filepath.Abs(e.q.output)
	if err != nil {
		return err
	}
	if c.Info.Examiner == "" {
		c.Info.Examiner = e.q.o.Header.Examiner
	}
	id := e.exhibit(path)
	x := custody.Exhibit{ID: id, Evidence: []string{path}, Format: e.record.Image.Format, Size: e.res.Plan.Size}
	if old, ok := c.Info.Exhibit(id); ok {
		x.Machine = old.Machine
	}
	details := []custody.Detail{{Name: "exhibit", Value: id}, {Name: "image", Value: path}, {Name: "source", Value: e.q.source}}
	for _, d := range e.record.Digests {
		x.Digests = append(x.Digests, d.Alg+":"+d.Sum)
		details = append(details, custody.Detail{Name: d.Alg, Value: d.Sum})
	}
	if b, err := os.ReadFile(custody.SidecarName(e.q.output)); err == nil {
		details = append(details, custody.Detail{Name: "record sha256", Value: sha256Hex(b)})
	}
	c.Info.Put(x)
	tool := name + " " + e.record.Tool.Version
	c.Info.Tool(tool)
	if err := c.Record(time.Now(), tool, "imaged", details...); err != nil {
		return err
	}
	return c.Save()
}

// exhibit is the image's name in the case: as given, or as opening it makes one.
func (e *end) exhibit(path string) string {
	ev, err := e.res.Open(context.Background())
	if err != nil {
		return filepath.Base(path)
	}
	defer ev.Close()
	return ev.Exhibit
}

// report prints what came of it.
func (e *end) report(w io.Writer) {
	if e.q.quiet && e.back != nil && e.back.OK && len(e.res.Bad) == 0 && !e.digestsFail() && len(e.picture.Warnings) == 0 {
		return
	}
	line := func(left, format string, args ...any) {
		fmt.Fprintf(w, "%-9s %s\n", left, escape.Text(fmt.Sprintf(format, args...)))
	}
	var stored int64
	for _, s := range e.res.Segments {
		stored += s.Size
	}
	parts := "1 file"
	if n := len(e.res.Segments); n != 1 {
		parts = fmt.Sprintf("%s files", cli.Count(int64(n)))
	}
	line("image", "%s  %s, %s, %s bytes for %s of the medium (%d %%)", base(e.q.output), e.record.Image.Format, parts,
		cli.Count(stored), cli.Count(e.res.Plan.Size), stored*100/e.res.Plan.Size)
	for _, d := range e.record.Digests {
		line(d.Alg, "%s", d.Sum)
	}
	if e.res.Plan.TrueSize != e.res.Plan.Size {
		line("note", "the source has %s bytes; zeros fill its last sector", cli.Count(e.res.Plan.TrueSize))
	}
	e.reportBad(line)
	if o := e.record.CarriedOver; o != nil {
		for _, d := range o.Digests {
			line("source", "%s %s (%s): %s", d.Alg, d.Sum, d.Source, d.Verdict)
		}
		for _, p := range o.Problems {
			line("source", "%s", p)
		}
	}
	switch {
	case e.back == nil:
		line("verify", "not read back (--no-verify); ks-verify %s does it later", base(e.q.output))
	case e.back.OK:
		line("verify", "read back: every MiB is as it was read from the source")
	default:
		for _, f := range e.back.Faults {
			line("verify", "FAILED: %s", f)
		}
		for _, r := range e.back.Ranges {
			line("", "bytes %d to %d of the medium", r.Off, r.Off+r.Len)
		}
	}
	if e.picture != nil {
		for i, l := range e.picture.Lines(64) {
			line([]string{"picture", ""}[i], "%s", l)
		}
		for _, v := range e.picture.Volumes {
			if v.Note != "" {
				line("", "volume %d: files %s", v.Number, v.Note)
			}
		}
		for _, w := range e.picture.Warnings {
			line("LOOK", "%s", w)
		}
	}
	papers := ".json, .jsonld, .map"
	if e.q.record.key != "" {
		papers = ".json (signed), .jsonld, .map"
	}
	if e.record.Blocks != nil {
		papers += ", .sha256.bin"
	}
	line("record", "%s%s", base(e.q.output), papers)
}

// reportBad says what could not be read; the record has all.
func (e *end) reportBad(line func(left, format string, args ...any)) {
	const shown = 10
	var sectors int64
	for _, b := range e.res.Bad {
		sectors += b.Count
	}
	if sectors == 0 {
		return
	}
	have := "are zeros in the image"
	if e.src.ev != nil { // a filling is kept: its digests were made of that
		have = "are zeros in the image, or the filling that its source has there"
	}
	line("unread", "%s sectors in %s places %s:", cli.Count(sectors), cli.Count(int64(len(e.res.Bad))), have)
	for i, b := range e.res.Bad {
		if i == shown {
			line("", "… %d more in %s.json", len(e.res.Bad)-shown, base(e.q.output))
			break
		}
		line("", "sectors %d to %d: %s", b.Sector, b.Sector+b.Count-1, b.What)
	}
}
