package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/acquire"
	"kanshiki/forensics/acquire/device"
	"kanshiki/forensics/evidence"
)

// readOptions say how a medium that cannot be read everywhere is read.
type readOptions struct {
	retries  int
	budget   time.Duration
	mapFile  string
	snapshot string
}

// source is what is imaged: a device or a file of sectors, or an image that is
// converted.
type source struct {
	medium acquire.Medium
	path   string
	dev    *device.Device     // nil where an image is converted
	ev     *evidence.Evidence // nil where a device is read
	forced []string           // what --force allowed, for the record
}

func (s *source) close() {
	if s.dev != nil {
		s.dev.Close()
	}
	if s.ev != nil {
		s.ev.Close()
	}
}

// open finds out what the source is. A file of bare sectors is read as a device
// is, so that bad places in it are worked around.
func open(ctx context.Context, q *request, stderr io.Writer) (*source, error) {
	if !isDevice(q.source) {
		e, err := evidence.OpenImage(ctx, q.source, evidence.Options{Map: q.read.mapFile, Snapshot: q.read.snapshot})
		no, known := errors.AsType[*evidence.NotAnImage](err)
		_, broken := errors.AsType[*evidence.Broken](err)
		switch {
		case err == nil && (e.Image.Info().Format != "raw" || q.read.mapFile != ""):
			for _, n := range e.Notes {
				fmt.Fprintf(stderr, "%s: %s\n", name, n)
			}
			return &source{path: q.source, ev: e, medium: acquire.FromImage(e.Image, q.o.Now)}, nil
		case err == nil:
			e.Close()
		case broken || known && !no.Unknown():
			return nil, err
		} // else bare sectors, or a file of which the first cannot be read
	}
	d, err := device.Open(q.source)
	if err != nil {
		return nil, err
	}
	return &source{path: q.source, dev: d, medium: acquire.FromDevice(d, acquire.Reading{Retries: q.read.retries, Budget: q.read.budget, Now: q.o.Now})}, nil
}

// isDevice tells a device from files, which may be images.
func isDevice(path string) bool {
	if runtime.GOOS == "windows" && strings.HasPrefix(path, `\\.\`) {
		return true
	}
	st, err := os.Stat(path)
	return err == nil && st.Mode()&os.ModeDevice != 0
}

// allowed refuses what would change the source, or cannot end well.
func (s *source) allowed(q *request, stderr io.Writer) error {
	dir := filepath.Dir(q.output)
	if q.record.caseDir != "" {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return fmt.Errorf("%s: there is no such folder", dir)
	}
	if s.dev != nil && s.dev.Info().Kind != device.File {
		if err := s.unused(q, dir, stderr); err != nil {
			return err
		}
	}
	free, err := device.Free(dir)
	if err != nil {
		cli.Warn(stderr, name, "how much room is left in %s is not known: %v", dir, err)
		return nil
	}
	need := s.medium.Size
	if c, err := acquire.ReadCheckpoint(q.output); err == nil {
		need -= c.Next
	}
	need += need/1000 + 1<<20 // what does not compress, and the tables
	if need <= free {
		return nil
	}
	what := fmt.Sprintf("too little room in %s: %s free, up to %s needed", dir, cli.Size(free), cli.Size(need))
	return s.force(q, what, "compressed it may be less: --force tries, and goes on in another folder when this one is full", stderr)
}

// unused refuses a device that somebody writes to.
func (s *source) unused(q *request, dir string, stderr io.Writer) error {
	if on, err := device.OnSource(s.path, dir); err == nil && on {
		return fmt.Errorf("%s lies on the source %s: writing there would change it", dir, s.path)
	}
	mounts, err := device.Mounted(s.path)
	if err != nil {
		cli.Warn(stderr, name, "whether %s is mounted is not known: %v", s.path, err)
	}
	for _, m := range mounts {
		if !m.Writable {
			cli.Warn(stderr, name, "%s is mounted read-only at %s", m.Device, m.Point)
			continue
		}
		what := fmt.Sprintf("%s is mounted writable at %s: it may change while it is read", m.Device, m.Point)
		if err := s.force(q, what, "unmount it, or --force takes it as it is", stderr); err != nil {
			return err
		}
	}
	if q.record.writeBlocker == "" {
		cli.Warn(stderr, name, "how %s is protected from writing is not stated; --write-blocker says it for the record", s.path)
	}
	return nil
}

func (s *source) force(q *request, what, hint string, stderr io.Writer) error {
	if !q.force {
		return fmt.Errorf("%s; %s", what, hint)
	}
	cli.Warn(stderr, name, "%s (--force)", what)
	s.forced = append(s.forced, what)
	return nil
}

func base(path string) string { return filepath.Base(path) }

// carryOver takes what a converted image says of itself where the examiner says
// nothing else, and computes the digests that it states.
func (s *source) carryOver(o *acquire.Options) {
	if s.ev == nil {
		return
	}
	h := &o.Header
	for _, f := range s.ev.Image.Info().Fields {
		for name, to := range map[string]*string{"case number": &h.Case, "evidence number": &h.Exhibit, "examiner": &h.Examiner,
			"description": &h.Description, "notes": &h.Notes, "model": &s.medium.Model, "serial number": &s.medium.Serial} {
			if f.Name == name && *to == "" {
				*to = f.Value
			}
		}
	}
	if len(o.Hashes) > 0 {
		return
	}
	o.Hashes = acquire.DefaultHashes(o.Format)
	for _, d := range s.ev.Image.Digests() {
		if slices.Contains(acquire.Hashes, d.Alg) && !slices.Contains(o.Hashes, d.Alg) {
			o.Hashes = append(o.Hashes, d.Alg)
		}
	}
	slices.Sort(o.Hashes)
}
