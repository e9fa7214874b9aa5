// Package memory names the files on a disk that hold memory of the machine:
// hibernation, paging and swap files, dumps. What they hold is not read here;
// that they are there, absent, or overwritten with zeros decides what can
// still be asked of them.
package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/crashdump"
)

// The files that hold memory.
var (
	Hibernation = spec("memory/hiberfil", "Hibernation file", []string{"hiberfil.sys"},
		"a copy of memory was written when the machine went to sleep, hibernated or, from Windows 8 on, was shut down with fast start",
		"SYSTEM, Control\\Power: HibernateEnabled; Session Manager\\Power: HiberbootEnabled", "kept until the next one is written; after a resume its beginning is overwritten")
	Paging = spec("memory/pagefile", "Paging file", []string{"pagefile.sys"},
		"pages of memory were written here while Windows ran",
		"SYSTEM, Session Manager\\Memory Management: PagingFiles; ClearPageFileAtShutdown = 1 overwrites it with zeros", "pages stay until they are written over")
	Swap = spec("memory/swapfile", "Swap file of apps", []string{"swapfile.sys"},
		"memory of suspended apps was written here", "as the paging file", "pages stay until they are written over")
	Dump = spec("memory/dump", "Memory dumps", []string{"Windows/MEMORY.DMP", "Windows/Minidump/*.dmp", "Windows/LiveKernelReports/**/*.dmp",
		"**/AppData/Local/CrashDumps/*.dmp", "ProgramData/Microsoft/Windows/WER/**/*.dmp", "ProgramData/Microsoft/Windows/WER/**/*.mdmp", "ProgramData/Microsoft/Windows/WER/**/*.hdmp",
		"Documents and Settings/*/Local Settings/Application Data/Microsoft/Dr Watson/user.dmp", "Documents and Settings/All Users/Application Data/Microsoft/Dr Watson/user.dmp"},
		"a system or program failed and its memory, or a part of it, was written here",
		"SYSTEM, Control\\CrashControl: CrashDumpEnabled; SOFTWARE, Windows Error Reporting: LocalDumps", "MEMORY.DMP: the last one; minidumps: 50; WER removes reports after they were sent")
)

var fields = []string{"size", "signature", "content", "sampled", "dump_type", "bug_check", "parameters", "build", "streams", "flags"}

// limit is the largest of these files: no machine has more memory.
const limit = 1 << 46

func spec(name, title string, globs []string, proves, switches, retention string) artifact.Spec {
	return artifact.Spec{
		Name: name, Title: title, Globs: globs, Fields: fields, Limit: limit, Family: artifact.FamilyMemory,
		Card: artifact.Card{
			Proves:    proves,
			NotProven: "what was in memory: the content is not read yet; that nothing was there, where it is zeros",
			Clock:     "of a dump or, from Windows 8 on, a hibernation file: system UTC in its head; else the entry's own times, which the file-system driver wrote",
			Retention: retention,
			Switches:  switches,
			Source:    "Microsoft documentation of hiberfil, pagefile and minidump files; ANCHORS 4g, 6",
		},
		Read: read,
	}
}

const (
	block   = 4096
	samples = 256
)

// read looks at the head and at blocks spread over the whole file.
func read(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	in.Counts.Declared = 1
	head := make([]byte, min(crashdump.HeadSize, in.Size))
	if n, err := in.R.ReadAt(head, 0); n < len(head) && err != nil && !errors.Is(err, io.EOF) {
		in.Counts.Failed = 1
		return fmt.Errorf("read the beginning: %w", err)
	}
	seen, err := look(ctx, in)
	if err != nil {
		in.Counts.Failed = 1
		return err
	}
	in.Counts.Decoded = 1
	h, err := crashdump.Parse(head)
	if err != nil && !errors.Is(err, crashdump.ErrUnknown) {
		in.Problem(problem.Malformed, problem.Doubt, err)
	}
	sig := "no bytes"
	if len(head) > 0 {
		sig = signature(h, head)
	}
	t, precision := written(h)
	f := coverage.Fact{History: coverage.Recording, State: coverage.NotLooked, To: in.Times.Modified,
		How: fmt.Sprintf("memory is not read yet; present, %d bytes, %s; %s", in.Size, sig, seen)}
	if t != 0 {
		f.To = t
	}
	if seen.zeros() {
		f.History = coverage.Cleared
	}
	in.Cover(f)
	e := event.Event{Fact: true, To: in.Times.Modified, Clock: event.FileSystem, Action: event.Other, Meaning: "memory kept on the disk", Path: in.Source,
		At: in.At, Length: int64(len(head)), Recovered: in.State,
		Message: fmt.Sprintf("%s holds memory of the machine: %s; %s; not read", in.Name, sig, seen),
		Fields: append([]event.Field{event.Int("size", in.Size), event.Str("signature", sig), event.Str("content", seen.String()),
			event.Int("sampled", seen.blocks)}, details(h)...)}
	if t != 0 {
		e.Fact, e.To, e.Ticks, e.Precision, e.Clock = false, 0, t, precision, event.SystemUTC
		e.Meaning = "dump written"
		if h.Kind == crashdump.Hibernation {
			e.Meaning = "memory written for hibernation"
		}
	}
	return emit(&e)
}

// written is the time that the head gives.
func written(h *crashdump.Head) (event.Ticks, event.Precision) {
	switch {
	case h == nil:
	case h.UnixTime != 0:
		return event.FromTime(time.Unix(int64(h.UnixTime), 0)), event.Second
	case event.Ticks(h.FileTime).Valid():
		return event.Ticks(h.FileTime), event.Exact
	}
	return 0, ""
}

func details(h *crashdump.Head) []event.Field {
	var out []event.Field
	if h == nil {
		return nil
	}
	switch h.Kind {
	case crashdump.Kernel32, crashdump.Kernel64:
		if t := h.Type(); t != "" {
			out = append(out, event.Str("dump_type", t))
		}
		if h.HasBugCheck {
			var p []string
			for _, v := range h.Parameters {
				p = append(p, fmt.Sprintf("%#x", v))
			}
			out = append(out, event.Hex("bug_check", h.BugCheck), event.List("parameters", p))
		}
		out = append(out, event.Uint("build", h.Minor))
	case crashdump.Minidump:
		out = append(out, event.Uint("streams", h.Streams), event.Hex("flags", h.Flags))
	}
	return out
}

// sample is what came of looking at blocks spread over a file.
type sample struct {
	of           int64 // blocks of the file
	blocks       int64 // looked at
	full, failed int64 // of them
}

// zeros tells whether every block that was looked at was read and was zero.
func (s sample) zeros() bool { return s.blocks > 0 && s.full == 0 && s.failed == 0 }

func (s sample) String() string {
	how := "blocks"
	if s.blocks < s.of {
		how = fmt.Sprintf("blocks, a sample of %d,", s.of)
	}
	switch {
	case s.of == 0:
		return "empty"
	case s.zeros():
		return fmt.Sprintf("nothing but zeros in %d %s of %d bytes: cleared at shutdown or never used", s.blocks, how, block)
	case s.failed > 0:
		return fmt.Sprintf("%d of %d %s of %d bytes hold something, %d could not be read", s.full, s.blocks, how, block, s.failed)
	}
	return fmt.Sprintf("%d of %d %s of %d bytes hold something", s.full, s.blocks, how, block)
}

// look reads the sample.
func look(ctx context.Context, in *artifact.Input) (sample, error) {
	buf := make([]byte, block)
	s := sample{of: (in.Size + block - 1) / block}
	step := max(s.of/samples, 1)
	for i := int64(0); i < s.of && s.blocks < samples; i += step {
		if ctx.Err() != nil {
			return s, ctx.Err()
		}
		s.blocks++
		k, err := in.R.ReadAt(buf[:min(block, in.Size-i*block)], i*block)
		switch {
		case strings.Trim(string(buf[:k]), "\x00") != "":
			s.full++
		case err != nil && !errors.Is(err, io.EOF):
			s.failed++ // the reader has told where
		}
	}
	return s, nil
}

// signature says in words what the first bytes are.
func signature(h *crashdump.Head, b []byte) string {
	switch {
	case h != nil && h.Kind == crashdump.Hibernation:
		switch strings.ToLower(h.Signature) {
		case "hibr":
			return "hibernation image, valid"
		case "wake":
			return "hibernation image, the machine has resumed from it"
		case "rstr":
			return "hibernation image, resuming was begun"
		}
		return "hibernation file that points elsewhere"
	case h != nil && h.Type() != "":
		return string(h.Kind) + ", " + h.Type()
	case h != nil:
		return string(h.Kind)
	case strings.Trim(string(b), "\x00") == "":
		return "begins with zeros" // a hibernation file: the machine has resumed from it
	}
	return fmt.Sprintf("begins with % x", b[:min(len(b), 8)])
}
