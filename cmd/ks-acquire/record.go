package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"kanshiki/forensics/custody"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/volume"
)

// recordOptions are for the custody record alone.
type recordOptions struct {
	organisation, writeBlocker, caseDir, key, passwordFile string
}

// password is that of the secret key. It stands in a file and not in the
// arguments, which the record holds.
func (r recordOptions) password() (string, error) {
	if r.passwordFile == "" {
		return "", errors.New("the key is encrypted; --password-file names the file with its password")
	}
	b, err := os.ReadFile(r.passwordFile)
	return strings.TrimRight(string(b), "\r\n"), err
}

// check finds out before hours of reading whether the key can sign.
func (r recordOptions) check() error {
	if r.key == "" {
		return nil
	}
	key, err := os.ReadFile(r.key)
	if err == nil {
		_, err = custody.Sign(nil, key, "", r.password)
	}
	if err != nil {
		return fmt.Errorf("sign with %s: %w", r.key, err)
	}
	return nil
}

// sidecar is the custody record of the run.
func (e *end) sidecar(stderr io.Writer) *custody.Sidecar {
	p := &e.res.Plan
	version, commit := cli.BuildVersion()
	own, err := cli.OwnDigest()
	if err != nil {
		cli.Warn(stderr, name, "this program's own file cannot be read: %v", err)
	}
	zone, _ := time.Now().Zone()
	s := &custody.Sidecar{
		Schema: 1, State: "complete",
		Tool:      custody.SidecarTool{Name: name, Version: version, Commit: commit, SHA256: own, Encoder: p.Encoder},
		Arguments: e.q.args,
		Actor:     custody.SidecarActor{Examiner: p.Header.Examiner, Organisation: e.q.record.organisation},
		Case:      p.Header.Case, Exhibit: p.Header.Exhibit, Description: p.Header.Description, Notes: p.Header.Notes,
		Source: e.src.describe(e.q.record.writeBlocker),
		Image: custody.SidecarImage{Format: formatName[p.Format], Compression: p.Level, ChunkSize: p.Unit,
			SegmentSize: p.SegmentSize, Size: p.Size, TrueSize: p.TrueSize, GUID: p.GUID},
		Times: custody.SidecarTimes{Started: e.res.Started, Ended: e.res.Ended, Resumed: e.res.Resumed,
			ClockSource: "the clock of the computer that made the image, not compared with another", Zone: zone},
		Errors: []custody.ReadError{}, Forced: e.src.forced, Speed: speed(&e.res.Speed), Host: host(),
	}
	if p.Blocks {
		s.Blocks = &custody.BlockDigests{File: filepath.Base(acquire.BlocksName(e.q.output)), BlockSize: acquire.BlockSize,
			Count: (p.Size + acquire.BlockSize - 1) / acquire.BlockSize, Root: e.res.Root}
	}
	if p.Format == acquire.E01 {
		s.Image.Variant = "EnCase 6"
	}
	for _, alg := range p.Hashes {
		s.Digests = append(s.Digests, custody.MediaDigest{Alg: alg, Sum: e.res.Digests[alg], Scope: "media"})
	}
	for _, b := range e.res.Bad {
		s.Errors = append(s.Errors, custody.ReadError{First: b.Sector, Count: b.Count, Errno: b.What, Tries: b.Tries, MS: b.MS})
	}
	first := filepath.Dir(e.res.Segments[0].Path)
	for _, g := range e.res.Segments {
		seg := custody.Segment{Name: filepath.Base(g.Path), Size: g.Size, SHA256: g.SHA256}
		if dir := filepath.Dir(g.Path); dir != first {
			seg.Dir = dir
		}
		s.Image.Segments = append(s.Image.Segments, seg)
	}
	s.Source.Partitions = e.partitions()
	s.CarriedOver = e.origin()
	if e.picture != nil {
		s.Picture = e.picture
	}
	if e.back != nil {
		s.Verification = custody.SidecarChecked{Done: true, Verdict: "pass", Faults: e.back.Faults, Ended: e.ended.UTC()}
		if !e.back.OK {
			s.Verification.Verdict = "fail"
		}
	}
	return s
}

var formatName = map[string]string{acquire.E01: "E01", acquire.Zst: "zst", acquire.Raw: "raw"}

// describe is what is known of the source.
func (s *source) describe(writeBlocker string) custody.SidecarSource {
	if writeBlocker == "" {
		writeBlocker = "not stated"
	}
	out := custody.SidecarSource{Path: s.path, Kind: "image", Size: s.medium.Size, SectorSize: s.medium.Sector, WriteBlock: writeBlocker}
	if s.dev == nil {
		return out
	}
	in := s.dev.Info()
	out.Kind, out.Physical, out.Vendor, out.Model, out.Serial = string(in.Kind), in.Physical, in.Vendor, in.Model, in.Serial
	out.Firmware, out.WWN, out.Bus, out.Parent = in.Firmware, in.WWN, in.Bus, in.Parent
	out.ReadOnly, out.DirectIO, out.Buffered, out.Notes = in.ReadOnly, in.Direct, in.Buffered, in.Notes
	out.Hidden, out.VisibleSectors, out.NativeSectors, out.FactorySectors = in.Hidden.State, in.Hidden.Visible, in.Hidden.Native, in.Hidden.Factory
	return out
}

// partitions lists what the image is divided into.
func (e *end) partitions() (out []string) {
	ev, err := e.res.Open(context.Background())
	if err != nil {
		return nil
	}
	defer ev.Close()
	vols, _ := volume.List(ev.Image, ev.Exhibit, ev.Name)
	for _, v := range vols {
		out = append(out, fmt.Sprintf("%d %s: offset %d, %d bytes, %s %s %s", v.Number, v.Scheme, v.Off, v.Len, v.Kind, v.TypeCode, v.Label))
	}
	return out
}

// origin is what a converted image said of itself, its digests checked.
func (e *end) origin() *custody.Origin {
	if e.src.ev == nil {
		return nil
	}
	img := e.src.ev.Image
	in := img.Info()
	o := &custody.Origin{Format: in.Format, Variant: in.Variant, Segments: in.Segments, GUID: in.GUID}
	for _, f := range in.Fields {
		o.Fields = append(o.Fields, custody.Detail(f))
	}
	for _, d := range img.Digests() {
		v := evidence.NotCheckable
		if have, ok := e.res.Digests[d.Alg]; ok {
			if v = evidence.Fail; have == d.Sum {
				v = evidence.Pass
			}
		}
		o.Digests = append(o.Digests, custody.OriginDigest{Alg: d.Alg, Sum: d.Sum, Source: d.Source, Verdict: string(v)})
	}
	for _, p := range img.Problems() {
		if p.Severity == problem.Doubt {
			o.Problems = append(o.Problems, fmt.Sprintf("%s: offset %d: %s", p.Source, p.At.Offset, p.Found))
		}
	}
	return o
}

func speed(s *acquire.Speed) *custody.Speed {
	out := &custody.Speed{Step: s.Step, MS: slices.Clone(s.US)}
	for i := range out.MS {
		out.MS[i] = (out.MS[i] + 500) / 1000
	}
	return out
}

func host() custody.SidecarHost {
	h, err := os.Hostname()
	if err != nil {
		h = ""
	}
	return custody.SidecarHost{OS: runtime.GOOS + "/" + runtime.GOARCH, Name: h}
}

func sha256Hex(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
