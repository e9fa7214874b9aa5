package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/escape"
	"kanshiki/forensics/event"
	"kanshiki/forensics/filesystem"
	"kanshiki/parsers/ntfs"
	"kanshiki/parsers/securitydescriptor"
)

const statHelp = `
    ks-walk stat fixtures/quarantined-pc/quarantined-pc.E01 Windows/System32/drivers/etc/hosts

ks-walk stat [OPTIONS] IMAGE PATH…

All that is known of an entry: every name with its times, the times of
$STANDARD_INFORMATION, owner, the access list and who can read by it, streams
with the clusters they lie in (as bytes of the image), reparse point, object id,
damage. With --format jsonl the rows of ks-walk list.

can read  users and groups of the list that Windows lets read the content, each
          taken by itself; who is member of a group the list does not say
`

func runStat(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := newCommon(statHelp, stdout)
	format := c.flags.Choice("format", "shape of the result", "text", "jsonl", "csv")
	hash := c.flags.String("hash", "", "`digest` of each stream: sha256")
	args, err := c.flags.Parse(args)
	if err != nil {
		return err
	}
	if len(args) < 2 {
		return cli.Usage("name an image and a path in it, for example ks-walk stat disk.E01 Windows/win.ini")
	}
	if *hash != "" && *hash != "sha256" {
		return cli.Usage("no digest %q; there is sha256", *hash)
	}
	s, err := c.open(ctx, args[0], stderr)
	if err != nil {
		return err
	}
	return s.write(stdout, func(w *bufio.Writer) error {
		return s.stat(ctx, args[1:], *format, *hash != "", w)
	})
}

func (s *session) stat(ctx context.Context, paths []string, format string, hash bool, w *bufio.Writer) error {
	if format == "csv" {
		w.WriteString(strings.Join(columns, ",") + "\n")
	}
	for i, p := range paths {
		t, err := s.find(ctx, p)
		if err != nil {
			return err
		}
		e, err := t.vol.files.Entry(ctx, t.ref)
		if err != nil {
			return err
		}
		l := lister{vol: t.vol, format: format, hash: hash, match: t.vol.files.Matcher(nil)}
		if format != "text" {
			var c chunk
			var buf []byte
			l.entry(ctx, e, &c, &buf)
			w.Write(c.out)
			continue
		}
		if i > 0 {
			w.WriteByte('\n')
		}
		l.describe(ctx, e, w)
	}
	return nil
}

// describe prints an entry for people.
func (l lister) describe(ctx context.Context, e *filesystem.Entry, w *bufio.Writer) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%-10s %s\n", what, escape.Text(fmt.Sprintf(format, args...)))
	}
	state := string(e.State)
	if !e.InUse && l.vol.fs != nil {
		state += fmt.Sprintf(", its record now holds sequence number %d", next(e.Ref.Sequence))
	}
	line("entry", "%d-%d  volume %d%s  %s  %s", e.Ref.Entry, e.Ref.Sequence, l.vol.Number, shadowName(l.vol.snapshot), e.Kind, state)
	if l.vol.fs == nil {
		l.describePlain(ctx, e, line)
		return
	}
	line("$SI", "%s", times(e.SI))
	line("", "attributes %#x (%s)  security id %d  usn %d  lsn %d", e.Attributes, attributeNames(e.Attributes), e.SecurityID, e.USN, e.LSN)
	short := l.shortNames(e)
	for i, n := range e.Names {
		path := n.Path
		if path == "" {
			path = "/"
		}
		line("name", "%s", path)
		if n.UTF16 != nil {
			line("", "utf-16le %s", hex.EncodeToString(n.UTF16))
		}
		if i < len(short) && short[i] != "" {
			line("", "short name %s", short[i])
		}
		line("", "path proof: %s  parent %d-%d", n.Proof, n.Parent.Entry, n.Parent.Sequence)
		line("$FN", "%s", times(n.Times))
	}
	l.describeMore(e, line)
	for i := range e.Streams {
		l.describeStream(ctx, e, &e.Streams[i], line)
	}
	for _, p := range e.Problems {
		line("problem", "%s", p)
	}
}

// describePlain prints an entry of FAT.
func (l lister) describePlain(ctx context.Context, e *filesystem.Entry, line func(what, format string, args ...any)) {
	for _, n := range e.Names {
		path := n.Path
		if path == "" {
			path = "/"
		}
		line("name", "%s", path)
		if n.UTF16 != nil {
			line("", "utf-16le %s", hex.EncodeToString(n.UTF16))
		}
		line("", "path proof: %s", n.Proof)
	}
	if short := l.vol.fat.ShortName(e.Ref); short != "" {
		line("", "short name %s", short)
	}
	for i, what := range [4]string{"created", "modified", "", "accessed"} {
		t := ticks(e.SI)[i]
		if what == "" || !t.Valid() {
			continue
		}
		zone := ""
		if e.Clock.Local[i] {
			zone = "  of the clock on the wall, its zone is not known"
		}
		line(what, "%s%s", e.Clock.Append(nil, i, t), zone)
	}
	line("", "attributes %#x (%s)", e.Attributes, attributeNames(e.Attributes))
	if e.Ref.Entry > 2 {
		line("entry at", "%s", l.vol.files.Place(int64(e.Ref.Entry)*32))
	}
	for i := range e.Streams {
		l.describeStream(ctx, e, &e.Streams[i], line)
	}
	for _, p := range e.Problems {
		line("problem", "%s", p)
	}
}

// shortNames are the DOS names that belong to the names of an entry, in order.
func (l lister) shortNames(e *filesystem.Entry) []string {
	f, ok := l.vol.fs.Catalog().Lookup(ntfs.MakeRef(e.Ref.Entry, e.Ref.Sequence))
	if !ok {
		return nil
	}
	var out []string
	for k := range f.Links() {
		out = append(out, filesystem.Text(f.DOSName(k)))
	}
	return out
}

func next(seq uint16) uint16 {
	if seq == 65535 {
		return 1
	}
	return seq + 1
}

func times(t filesystem.Times) string {
	s := func(t event.Ticks) string {
		switch {
		case t.Valid():
			return t.String()
		case t == 0:
			return "not set"
		}
		return fmt.Sprintf("invalid (%d)", uint64(t))
	}
	return fmt.Sprintf("created %s  modified %s  entry modified %s  accessed %s", s(t.Created), s(t.Modified), s(t.Changed), s(t.Accessed))
}

// describeMore prints the reparse point and the object id.
func (l lister) describeMore(e *filesystem.Entry, line func(what, format string, args ...any)) {
	f, ok := l.vol.fs.Catalog().Lookup(ntfs.MakeRef(e.Ref.Entry, e.Ref.Sequence))
	if !ok {
		return
	}
	if f.HasReparse() {
		r, _, err := f.Reparse()
		line("reparse", "%#08x %s  %d bytes", r.Tag, ntfs.TagName(r.Tag), len(r.Data))
		if r.Substitute != "" {
			line("", "to %s  shown as %s", r.Substitute, r.Print)
		}
		if err != nil {
			line("problem", "reparse point: %v", err)
		}
	}
	if o, ok, err := f.ObjectID(); ok {
		line("object id", "%s%s", o.ID, madeBy(event.Ticks(o.ID.Time()), o.ID.MAC()))
		if o.Birth {
			line("", "birth volume %s  birth object %s  domain %s", o.BirthVolume, o.BirthObject, o.Domain)
		}
	} else if err != nil {
		line("problem", "object id: %v", err)
	}
	l.describeAccess(e, line)
	if keys, ok, err := f.EFS(); ok {
		for _, k := range keys {
			who := "user"
			if k.Recovery {
				who = "recovery agent"
			}
			line("EFS", "%s %s  %s  certificate %s", who, k.User, filesystem.SIDName(sidText(k.SID)), k.Thumbprint)
		}
		if err != nil {
			line("problem", "$EFS: %v", err)
		}
	}
	eas, err := f.EAs()
	for _, x := range eas {
		line("EA", "%s  %d bytes  %s", x.Name, len(x.Value), hex.EncodeToString(x.Value[:min(32, len(x.Value))]))
	}
	if err != nil {
		line("problem", "extended attributes: %v", err)
	}
	for n := range f.Records() {
		rec, err := l.vol.fs.Catalog().Volume().Record(n)
		if err != nil {
			continue // its problem is listed
		}
		for a := range rec.Slack() {
			text := fmt.Sprintf("%s at %#x of record %d", a.Type, a.Off, n)
			if fn, ok := a.FileName(); ok {
				text += fmt.Sprintf("  %s  parent %s  created %s", filesystem.Text(fn.Name), fn.Parent, event.Ticks(fn.Times.Created))
			}
			line("slack", "%s", text)
		}
	}
	var records []string
	for n := range f.Records() {
		records = append(records, fmt.Sprint(n))
	}
	line("record", "%s  %s", strings.Join(records, ", "), l.vol.fs.Place(f.Offset()))
}

// describeAccess prints owner, and who may do what.
func (l lister) describeAccess(e *filesystem.Entry, line func(what, format string, args ...any)) {
	a, ok, err := l.vol.fs.Access(e.Ref)
	if err != nil {
		line("problem", "security descriptor: %v", err)
	}
	if !ok {
		return
	}
	line("owner", "%s  group %s  (%s)", filesystem.SIDName(a.Owner), filesystem.SIDName(a.Group), a.From)
	if a.Open {
		line("access", "no list: everybody may do everything")
	}
	for _, x := range a.Entries {
		how := ""
		if x.Inherited {
			how += "  inherited"
		}
		if x.OnlyBelow {
			how += "  for what is below only"
		}
		line("access", "%s %s: %s%s", x.Kind, filesystem.SIDName(x.SID), x.Rights, how)
	}
	readers := a.Readers()
	if len(readers) == 0 && !a.Open {
		line("can read", "nobody by this list; an administrator may change it, and a right to back up goes past it")
	}
	for _, r := range readers {
		how := ""
		if r.Condition {
			how = "  if the condition of its entry holds"
		}
		line("can read", "%s%s", filesystem.SIDName(r.SID), how)
	}
}

func sidText(b []byte) string {
	s, _, err := securitydescriptor.ParseSID(b)
	if err != nil {
		return "no SID"
	}
	return string(s)
}

// madeBy is what an id of version 1 tells of its origin.
func madeBy(at event.Ticks, mac string) string {
	out := ""
	if at != 0 && at.Valid() {
		out = "  made " + at.String()
	}
	if mac != "" {
		out += "  on the machine with network address " + mac
	}
	return out
}

func (l lister) describeStream(ctx context.Context, e *filesystem.Entry, s *filesystem.StreamInfo, line func(what, format string, args ...any)) {
	name := s.Name
	if name == "" {
		name = "(unnamed)"
	}
	var how []string
	for _, k := range []struct {
		is   bool
		word string
	}{{s.Resident, "resident"}, {s.Compressed, "compressed"}, {s.Sparse, "sparse"}, {s.Encrypted, "encrypted"}} {
		if k.is {
			how = append(how, k.word)
		}
	}
	line("stream", "%s  %d bytes, %d initialised, %d allocated  %s", name, s.Size, s.Initialised, s.Allocated, strings.Join(how, ", "))
	if s.Note != "" {
		line("", "%s", s.Note)
	}
	const most = 8
	if l.vol.fs == nil {
		x, err := l.vol.fat.Extents(e.Ref)
		for i, p := range x {
			if i == most {
				line("", "and %d more extents", len(x)-most)
				break
			}
			line("", "%#x + %#x  %s", p.Off, p.Len, l.vol.files.Place(p.Disk))
		}
		if err != nil {
			line("problem", "%v", err)
		}
	} else if f, ok := l.vol.fs.Catalog().Lookup(ntfs.MakeRef(e.Ref.Entry, e.Ref.Sequence)); ok {
		if st, ok := f.Stream(s.Name); ok {
			k := 0
			for x := range st.Extents() {
				if k++; k > most {
					continue
				}
				switch {
				case x.Disk == ntfs.Hole:
					line("", "%#x + %#x  hole", x.Off, x.Len)
				case x.Disk < 0:
					line("", "%#x + %#x  described nowhere", x.Off, x.Len)
				default:
					line("", "%#x + %#x  %s", x.Off, x.Len, l.vol.fs.Place(x.Disk))
				}
			}
			if k > most {
				line("", "and %d more extents", k-most)
			}
		}
	}
	if !e.InUse {
		if r, err := l.vol.files.Recovery(e.Ref, s.Name); err == nil {
			line("", "recovery: %s", r.Verdict)
			for _, x := range r.Ranges {
				line("", "%s", x)
			}
		}
	}
	if l.hash {
		r := row{volume: l.vol.Number, shadow: l.vol.snapshot, e: e, s: s}
		var c chunk
		var buf []byte
		l.content(ctx, &r, &c, &buf)
		if r.sha256 != "" {
			line("", "sha256 %s", r.sha256)
		}
		for _, n := range r.notes {
			line("", "%s", n)
		}
	}
}

// attributeBits are those of [MS-FSCC] 2.6.
var attributeBits = []struct {
	bit  uint32
	name string
}{
	{0x1, "read-only"}, {0x2, "hidden"}, {0x4, "system"}, {0x10, "directory"}, {0x20, "archive"}, {0x40, "device"}, {0x80, "normal"},
	{0x100, "temporary"}, {0x200, "sparse"}, {0x400, "reparse point"}, {0x800, "compressed"}, {0x1000, "offline"},
	{0x2000, "not indexed"}, {0x4000, "encrypted"}, {0x8000, "integrity"}, {0x20000, "no scrub"}, {0x40000, "recall on open"},
	{0x80000, "pinned"}, {0x100000, "unpinned"}, {0x400000, "recall on data access"},
}

func attributeNames(v uint32) string {
	var out []string
	for _, a := range attributeBits {
		if v&a.bit != 0 {
			out = append(out, a.name)
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
