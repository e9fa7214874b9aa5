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

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
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

// limit is the largest of these files: no machine has more memory.
const limit = 1 << 46

func spec(name, title string, globs []string, proves, switches, retention string) artifact.Spec {
	return artifact.Spec{
		Name: name, Title: title, Globs: globs, Fields: []string{"size", "signature", "content", "sampled"}, Limit: limit, Family: artifact.FamilyMemory,
		Card: artifact.Card{
			Proves:    proves,
			NotProven: "what was in memory: the content is not read yet; that nothing was there, where it is zeros",
			Clock:     "the entry's own times; the file-system driver wrote them",
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

// read looks at the signature and at blocks spread over the whole file.
func read(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	in.Counts.Declared = 1
	head := make([]byte, min(block, in.Size))
	if n, err := in.R.ReadAt(head, 0); n < len(head) && err != nil && !errors.Is(err, io.EOF) {
		in.Counts.Failed = 1
		return fmt.Errorf("read the beginning: %w", err)
	}
	sig, content, err := look(ctx, in, head)
	if err != nil {
		in.Counts.Failed = 1
		return err
	}
	in.Counts.Decoded = 1
	f := coverage.Fact{History: coverage.Recording, State: coverage.NotLooked, To: in.Times.Modified,
		How: fmt.Sprintf("present, %d bytes, %s; %s", in.Size, sig, content)}
	if content == zeros {
		f.History = coverage.Cleared
	}
	in.Cover(f)
	e := event.Event{Fact: true, To: in.Times.Modified, Clock: event.FileSystem, Action: event.Other, Meaning: "memory kept on the disk", Path: in.Source,
		At: in.At, Length: int64(len(head)), Recovered: in.State,
		Message: fmt.Sprintf("%s holds memory of the machine: %s; %s; not read", in.Name, sig, content),
		Fields: []event.Field{event.Int("size", in.Size), event.Str("signature", sig), event.Str("content", content),
			event.Int("sampled", min((in.Size+block-1)/block, samples))}}
	return emit(&e)
}

const zeros = "nothing but zeros in the blocks that were looked at: cleared at shutdown or never used"

// look tells the signature and whether anything is in the file.
func look(ctx context.Context, in *artifact.Input, head []byte) (sig, content string, err error) {
	sig = signature(head)
	buf := make([]byte, block)
	full, n := 0, int64(0)
	blocks := (in.Size + block - 1) / block
	step := max(blocks/samples, 1)
	for i := int64(0); i < blocks && n < samples; i += step {
		if ctx.Err() != nil {
			return "", "", ctx.Err()
		}
		n++
		k, rerr := in.R.ReadAt(buf[:min(block, in.Size-i*block)], i*block)
		if rerr != nil && !errors.Is(rerr, io.EOF) {
			continue // the reader has told it
		}
		if strings.Trim(string(buf[:k]), "\x00") != "" {
			full++
		}
	}
	switch {
	case in.Size == 0:
		return "no bytes", "empty", nil
	case full == 0:
		return sig, zeros, nil
	}
	return sig, fmt.Sprintf("%d of %d blocks looked at hold something", full, n), nil
}

// signature names what the first bytes say.
func signature(b []byte) string {
	has := func(s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }
	switch {
	case has("hibr"), has("HIBR"):
		return "hibernation image, valid"
	case has("wake"), has("WAKE"):
		return "hibernation image, the machine has resumed from it"
	case has("RSTR"), has("rstr"):
		return "hibernation image, resuming was begun"
	case has("link"), has("LINK"):
		return "hibernation file that points elsewhere"
	case has("PAGEDU64"):
		return "kernel dump, 64 bit"
	case has("PAGEDUMP"):
		return "kernel dump, 32 bit"
	case has("MDMP"):
		return "minidump"
	case strings.Trim(string(b), "\x00") == "":
		return "begins with zeros"
	}
	return fmt.Sprintf("begins with % x", b[:min(len(b), 8)])
}
