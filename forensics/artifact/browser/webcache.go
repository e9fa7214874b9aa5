package browser

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/ese"
	"kanshiki/parsers/msiecf"
)

// WebCache is WebCacheV01.dat: what index.dat was, from Internet Explorer 10
// on, for the old Edge and for every program that uses WinINet.
var WebCache = artifact.Spec{
	Name: "browser/webcache", Title: "Internet Explorer 10, 11 and old Edge (WebCacheV01.dat)",
	Globs: []string{"**/Windows/WebCache/WebCacheV*.dat"},
	Loose: func(name string, head []byte) bool {
		return ese.Is(head) && strings.HasPrefix(strings.ToLower(name), "webcachev")
	},
	Fields: append(slices.Clone(IE.Fields), "container", "container_id", "created", "synced", "extension", "redirect"),
	Limit:  4 << 30, Family: artifact.FamilyBrowser,
	Card: artifact.Card{
		Proves:    "history: under this profile the address was loaded, or a file of this machine or of a share was opened (file:), last at the time; cache: an answer from the address lay in the named file, last used at the time; cookie: the host set one",
		NotProven: "that a person did it, or with a browser: any program that uses WinINet writes here, Explorer with files, malware too; that an opened file was read or left the machine; uploads; that what is not listed was not visited; the number of accesses counts requests, not people's visits",
		Clock:     "FILETIME, UTC (the time of last access); \"secondary\" is the row's modified time, which daily and weekly containers are said to keep in local time: it is given and not used",
		Retention: "history 20 days by default, cache until its size is reached; cleared by the user; rows are marked deleted before they are overwritten; a database in use lacks what its logs (V01*.log) hold",
		Switches:  "DaysToKeep, ClearBrowsingHistoryOnExit; private browsing; Internet Explorer 9 and before keep index.dat instead",
		Source:    "libesedb and Metz, ESE database files of applications; tested on made databases only; ANCHORS 4g",
	},
	Read: readWebCache,
}

// container is one list of the database: a history, a cache, the cookies.
type container struct {
	id   int64
	name string
	dirs string // names of eight characters each
}

func readWebCache(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	f, err := artifact.OpenESE(in)
	if err != nil {
		in.Counts.Declared, in.Counts.Failed = 1, 1
		return err
	}
	names := containers(in, f)
	r := &webCache{ie: ie{in: in, emit: emit, accessed: true}}
	if sid, u, ok := in.Machine.UserOf(in.Source); ok {
		r.sid, r.user = sid, u.Name
	}
	var left []string
	for i := range f.Tables {
		t := &f.Tables[i]
		number, is := strings.CutPrefix(t.Name, "Container_")
		id, err := strconv.ParseInt(number, 10, 64)
		if !is || err != nil {
			if t.Name != "Containers" && !strings.HasPrefix(t.Name, "MSys") {
				left = append(left, t.Name)
			}
			continue
		}
		c, ok := names[id]
		if !ok {
			c.id = id
		}
		if err := r.table(ctx, f, t, c); err != nil {
			return err
		}
	}
	fact := coverage.Fact{At: in.At, Source: in.Source, From: r.from, To: r.to, History: coverage.Recording, State: coverage.Read,
		How: "addresses that are still kept, each with its last time only; " + f.Header.State.String()}
	if in.Counts.Failed > 0 || len(f.Damage) > 0 {
		fact.State = coverage.Partly
	}
	if len(left) > 0 {
		fact.How += fmt.Sprintf("; %d tables not read, as %s", len(left), left[0])
	}
	in.Cover(fact)
	return nil
}

// containers reads the table that names the others.
func containers(in *artifact.Input, f *ese.File) map[int64]container {
	t := f.Table("Containers")
	if t == nil {
		in.Report(problem.Problem{At: in.At, Kind: problem.Malformed, Severity: problem.Lost, Expected: "the table Containers", Found: "no such table: what each list is, is told by its addresses only"})
		return nil
	}
	out := map[int64]container{}
	for row, err := range f.Rows(t) {
		if err != nil {
			in.Problem(problem.Malformed, artifact.SeverityOfRow(err), err)
			continue
		}
		if id, ok := row.Number("ContainerId"); ok && !row.Deleted {
			out[id] = container{id, words(row.Get("Name")), words(row.Get("SecureDirectories"))}
		}
	}
	return out
}

// words is a value's text: columns of text and of bytes hold it.
func words(v *ese.Value) string {
	if v == nil || v.Err != nil {
		return ""
	}
	if v.Kind == ese.Text {
		return v.Text
	}
	return v.UTF16()
}

// webCache reads one database: a row says what a record of index.dat says.
type webCache struct{ ie }

func (r *webCache) table(ctx context.Context, f *ese.File, t *ese.Table, c container) error {
	for row, err := range f.Rows(t) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			severity := artifact.SeverityOfRow(err)
			r.in.Problem(problem.Malformed, severity, err)
			if severity == problem.Lost {
				r.in.Counts.Declared++
				r.in.Counts.Failed++
			}
			continue
		}
		r.in.Counts.Declared++
		if u := row.Get("Url"); u == nil || u.Err != nil {
			r.in.Counts.Failed++
			r.in.Report(problem.Problem{At: r.in.At.At(row.Off), Kind: problem.Malformed, Severity: problem.Lost, Expected: "a row with an address", Found: "a row of " + t.Name + " without one that can be read"})
			continue
		}
		if row.Deleted {
			r.in.Counts.Recovered++
		} else {
			r.in.Counts.Decoded++
		}
		if err := r.row(&row, c); err != nil {
			return err
		}
	}
	return nil
}

func (r *webCache) row(row *ese.Row, c container) error {
	number := func(name string) uint64 { n, _ := row.Number(name); return uint64(n) }
	i := msiecf.Item{Kind: msiecf.URL, Off: row.Off, Length: row.Length, Recovered: row.Deleted, Location: words(row.Get("Url")),
		Primary: number("AccessedTime"), Secondary: number("ModifiedTime"), Expires: number("ExpiryTime"), Checked: number("PostCheckTime"),
		Size: number("FileSize"), Hits: uint32(number("AccessCount")), Flags: uint32(number("Flags")), File: words(row.Get("Filename"))}
	if n := int(number("SecureDirectory")); n > 0 && n <= len(c.dirs)/8 {
		i.Dir = c.dirs[(n-1)*8 : n*8]
	}
	if v := row.Get("ResponseHeaders"); v != nil && v.Err == nil {
		i.Data = v.Raw
	}
	r.more = r.more[:0]
	put := func(f event.Field) { r.more = append(r.more, f) }
	if c.name != "" {
		put(event.Str("container", c.name))
	}
	put(event.Int("container_id", c.id))
	for _, x := range [][2]string{{"created", "CreationTime"}, {"synced", "SyncTime"}} {
		if t := event.Ticks(number(x[1])); t.Valid() {
			put(event.When(x[0], t))
		}
	}
	for _, x := range [][2]string{{"extension", "FileExtension"}, {"redirect", "RedirectUrl"}} {
		if s := words(row.Get(x[1])); s != "" {
			put(event.Str(x[0], s))
		}
	}
	return r.item(&i)
}
