package deletion

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/recyclebin"
)

// RecycleBin says that an account's shell deleted a file or folder, when, from
// where, and how large it was.
var RecycleBin = artifact.Spec{
	Name:  "deletion/recyclebin",
	Title: "Recycle bin",
	Globs: []string{"**/$Recycle.Bin/*/$I*", "**/RECYCLER/*/INFO2", "**/RECYCLER/*/INFO", "**/RECYCLED/INFO2", "**/RECYCLED/INFO"},
	Loose: func(name string, head []byte) bool {
		switch up := strings.ToUpper(name); {
		case up == "INFO2", up == "INFO":
			return len(head) >= 20
		default:
			return strings.HasPrefix(up, "$I") && len(head) >= 24 && (head[0] == 1 || head[0] == 2) && string(head[1:8]) == strings.Repeat("\x00", 7)
		}
	},
	Fields: []string{"original_path", "size", "content", "content_state", "format", "short_name", "short_name_raw", "gone"},
	Limit:  recyclebin.MaxInfo,
	Family: artifact.FamilyShell,
	Card: artifact.Card{
		Proves:    "the shell of the account that the bin belongs to deleted this path at this time; the size at that time (INFO2: rounded up to clusters; folders: all they held)",
		NotProven: "deletions by other ways (command line, Shift+Del, over the network, by programs); that the content was emptied from the bin, unless it is gone; who sat at the machine",
		Clock:     "FILETIME, UTC",
		Retention: "until the bin is emptied, or over its share of the volume (oldest first); INFO2 keeps records of removed files until it is written anew",
		Switches:  "NukeOnDelete (NTUSER or SOFTWARE, Explorer\\BitBucket), NoRecycleFiles policy",
		Source:    "dtformats, Windows Recycle.Bin and Recycler file formats; rifiuti2; ANCHORS 4b",
	},
	Read: readRecycleBin,
}

func readRecycleBin(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	b, err := in.Bytes(recyclebin.MaxInfo)
	if err != nil {
		return err
	}
	if up := strings.ToUpper(in.Name); up == "INFO2" || up == "INFO" {
		return readInfo(in, b, emit)
	}
	return readIndex(in, b, emit)
}

// deletedRow is what both kinds have in common. The bin lies on the volume of
// the file, whatever letter that session gave it.
func deletedRow(in *artifact.Input, original string) event.Event {
	e := event.Event{Action: event.Deleted, Meaning: "deleted to the recycle bin", Path: original, At: in.At, Recovered: in.State}
	if len(original) > 3 && original[1] == ':' && original[2] == '\\' {
		e.Path = strings.ReplaceAll(original[3:], `\`, "/")
	}
	if sid := path.Base(path.Dir(in.Source)); strings.HasPrefix(strings.ToUpper(sid), "S-1-") {
		e.UserSID = strings.ToUpper(sid)
		e.User = in.Machine.Users[e.UserSID].Name
	}
	return e
}

func byWhom(e *event.Event) string {
	switch {
	case e.User != "":
		return " by the shell of " + e.User
	case e.UserSID != "":
		return " by the shell of " + e.UserSID
	}
	return ""
}

func readIndex(in *artifact.Input, b []byte, emit func(*event.Event) error) error {
	in.Counts.Declared = 1
	x, err := recyclebin.ParseIndex(b)
	if x == nil {
		in.Counts.Failed = 1
		return err
	}
	in.Counts.Decoded = 1
	state := coverage.Read
	for _, d := range append(x.Damage, err) {
		if d != nil {
			state = coverage.Partly
			in.Problem(problem.Malformed, problem.Lost, d)
		}
	}
	e := deletedRow(in, x.Path)
	e.Length, e.Record = in.Size, in.Name
	if len(in.Name) > 2 {
		e.Record = in.Name[2:]
	}
	e.Fields = []event.Field{event.Str("original_path", x.Path)}
	size := "size not known"
	if x.SizeKnown {
		size = fmt.Sprintf("%d bytes", x.Size)
		e.Fields = append(e.Fields, event.Uint("size", x.Size))
	}
	content := "$R" + e.Record
	e.Fields = append(e.Fields, event.Str("content", content), event.Str("content_state", contentState(in, content)), event.Str("format", fmt.Sprintf("$I version %d", x.Version)))
	e.Message = fmt.Sprintf("%s was deleted to the recycle bin%s (%s)", e.Path, byWhom(&e), size)
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: event.Ticks(x.Deleted), To: event.Ticks(x.Deleted), History: coverage.Recording, State: state,
		How: "one deletion that is still in the bin"})
	return emitAt(in, &e, x.Deleted, emit)
}

// contentState looks for the content beside the index. A folder cannot be
// opened so and is not told from one that is gone.
func contentState(in *artifact.Input, name string) string {
	if in.Sibling == nil {
		return "not looked"
	}
	if c, ok := in.Sibling(name); ok {
		return fmt.Sprintf("present, %d bytes", c.Size)
	}
	return "no file of that name beside it"
}

// emitAt gives the event its time, or makes it a fact where that is impossible.
func emitAt(in *artifact.Input, e *event.Event, t uint64, emit func(*event.Event) error) error {
	e.Fact, e.Ticks, e.To = false, event.Ticks(t), 0
	if !e.Ticks.Valid() {
		in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("time of deletion is impossible: %#x", t))
		e.Fact, e.Ticks, e.To = true, 0, in.Times.Modified
	}
	return emit(e)
}

func readInfo(in *artifact.Input, b []byte, emit func(*event.Event) error) error {
	f, err := recyclebin.ParseInfo(b, recyclebin.Options{})
	if err != nil {
		in.Counts.Declared, in.Counts.Failed = 1, 1
		return err
	}
	n := int64(len(f.Records))
	in.Counts.Declared, in.Counts.Decoded = n+int64(len(f.Damage)), n
	in.Counts.Failed = int64(len(f.Damage))
	state := coverage.Read
	for _, d := range f.Damage {
		state = coverage.Partly
		in.Problem(problem.Malformed, problem.Lost, d)
	}
	if int64(f.Present) > n {
		in.Problem(problem.Inconsistent, problem.Doubt, fmt.Errorf("the header counts %d files, the list has %d", f.Present, n))
	}
	if n == 0 && len(b) > 20 {
		return errors.New("no record in the list of deletions")
	}
	var first, last event.Ticks
	for i := range f.Records {
		r := &f.Records[i]
		if t := event.Ticks(r.Deleted); t.Valid() {
			if first == 0 || t < first {
				first = t
			}
			last = max(last, t)
		}
		if err := emitRecord(in, f, r, emit); err != nil {
			return err
		}
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: first, To: last, History: coverage.Recording, State: state,
		How: fmt.Sprintf("%d deletions listed; records of an emptied bin are dropped", n)})
	return nil
}

func emitRecord(in *artifact.Input, f *recyclebin.Info, r *recyclebin.Record, emit func(*event.Event) error) error {
	e := deletedRow(in, r.Path)
	e.At.Offset, e.Length, e.Record = r.Offset, int64(f.RecordSize), fmt.Sprint(r.Index)
	letter := `\`
	if r.Drive < 26 {
		letter = string(rune('a' + r.Drive))
	}
	content := fmt.Sprintf("D%s%d%s", letter, r.Index, path.Ext(strings.ReplaceAll(r.Path, `\`, "/")))
	state := "gone from the bin"
	if !r.Gone {
		state = contentState(in, content)
	}
	e.Fields = []event.Field{event.Str("original_path", r.Path), event.Uint("size", r.Size), event.Str("content", content), event.Str("content_state", state),
		event.Str("format", fmt.Sprintf("list version %d, records of %d bytes", f.Version, f.RecordSize)), event.Str("short_name", r.Short.Text)}
	for _, c := range r.Short.Raw {
		if c >= 0x80 { // the code page is presumed
			e.Fields = append(e.Fields, event.Str("short_name_raw", hex.EncodeToString(r.Short.Raw)))
			break
		}
	}
	e.Fields = append(e.Fields, event.Bool("gone", r.Gone))
	e.Message = fmt.Sprintf("%s was deleted to the recycle bin%s (%d bytes in clusters)", e.Path, byWhom(&e), r.Size)
	return emitAt(in, &e, r.Deleted, emit)
}
