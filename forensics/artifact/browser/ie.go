package browser

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/msiecf"
)

// IE is index.dat: the history, the daily and weekly history, the cache and
// the cookies of Internet Explorer up to version 9. Other programs that use
// Windows' own network library (WinINet), and Explorer with files of the
// machine, write to the same files.
var IE = artifact.Spec{
	Name: "browser/ie", Title: "Internet Explorer (index.dat)",
	Globs: []string{"**/History.IE5/index.dat", "**/History.IE5/*/index.dat", "**/Content.IE5/index.dat", "**/Cookies/index.dat", "**/Cookies/Low/index.dat",
		"**/IEDownloadHistory/index.dat", "**/IETldCache/index.dat", "**/PrivacIE/index.dat", "**/PrivacIE/Low/index.dat", "**/UserData/index.dat", "**/UserData/Low/index.dat", "**/DOMStore/index.dat", "**/Feeds Cache/index.dat"},
	Loose:  func(_ string, head []byte) bool { return msiecf.Is(head) },
	Fields: []string{"kind", "location", "hits", "primary", "secondary", "expires", "checked", "cache_file", "size", "response", "headers", "history_user", "flags", "partial"},
	Limit:  128 << 20, Family: artifact.FamilyBrowser,
	Card: artifact.Card{
		Proves:    "history: under this profile the address was loaded, or a file of this machine or of a share was opened (file:), last at the time; cache: an answer from the address lay in the named file, last used at the time; cookie: the host set one",
		NotProven: "that a person did it, or with this browser: any program that uses WinINet writes here, malware too; that an opened file was read or left the machine; uploads; that what is not listed was not visited; hits count requests, not people's visits",
		Clock:     "FILETIME, UTC; secondary time of daily and weekly history: local time; of the cache: as the server says; expires and checked: two seconds",
		Retention: "history 20 days (setting DaysToKeep), daily and weekly files are merged and removed; cache until its size is reached; cleared by the user; records of free blocks are given as deleted",
		Switches:  "DaysToKeep, ClearBrowsingHistoryOnExit; private browsing; Internet Explorer 10 and later keep WebCacheV01.dat instead",
		Source:    "libmsiecf, MSIE Cache File (index.dat) format; plaso; ANCHORS 4g",
	},
	Read: readIE,
}

// ieKind is what a record is, by its address and the file it stands in.
type ieKind struct {
	name, user, url string
	local           bool // the secondary time is local
	daily           bool
}

// kindOfIE takes an address apart: "Visited: user@url", ":2011082420110825:
// user@url", "Cookie:user@host/", else an address of the cache.
func kindOfIE(location string) ieKind {
	split := func(s string) (user, url string) {
		if u, rest, ok := strings.Cut(strings.TrimPrefix(s, " "), "@"); ok {
			return u, rest
		}
		return "", s
	}
	k := ieKind{name: "cache", url: location}
	for _, p := range []struct{ prefix, name string }{{"Visited:", "history"}, {"Cookie:", "cookie"}, {"iedownload:", "download list"}, {"PrivacIE:", "third parties"},
		{"ietld:", "domains"}, {"DOMStore:", "page's storage"}, {"userdata:", "page's storage"}, {"feedplat:", "feeds"}, {"iecompat:", "compatibility"}, {"ieflipahead:", "flip ahead"}} {
		if rest, ok := strings.CutPrefix(location, p.prefix); ok {
			k.name = p.name
			k.user, k.url = split(rest)
			return k
		}
	}
	if len(location) > 18 && location[0] == ':' && location[17] == ':' {
		from, err1 := time.Parse("20060102", location[1:9])
		to, err2 := time.Parse("20060102", location[9:17])
		if err1 == nil && err2 == nil {
			k.name, k.local, k.daily = "weekly history", true, false
			if to.Sub(from) <= 24*time.Hour {
				k.name, k.daily = "daily history", true
			}
			k.user, k.url = split(location[18:])
		}
	}
	return k
}

func readIE(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	b, err := in.Bytes(128 << 20)
	if err == nil {
		var f *msiecf.File
		if f, err = msiecf.Parse(b); err == nil {
			return (&ie{in: in, emit: emit, f: f}).read(ctx)
		}
	}
	in.Counts.Declared, in.Counts.Failed = 1, 1
	if errors.Is(err, msiecf.ErrVersion) {
		in.Problem(problem.Unsupported, problem.Lost, err)
		return nil
	}
	return err
}

// ie reads one file.
type ie struct {
	in   *artifact.Input
	emit func(*event.Event) error
	f    *msiecf.File
	sid  string
	user string
	e    event.Event
	from event.Ticks
	to   event.Ticks

	accessed bool          // the first time is always of the last access, in UTC
	more     []event.Field // what the record says beyond
}

func (r *ie) read(ctx context.Context) error {
	in := r.in
	for _, d := range r.f.Damage {
		in.Problem(problem.Malformed, problem.Lost, d)
	}
	if sid, u, ok := in.Machine.UserOf(in.Source); ok {
		r.sid, r.user = sid, u.Name
	}
	for item, err := range r.f.Items() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		in.Counts.Declared++
		if err != nil {
			in.Counts.Failed++
			in.Problem(problem.Malformed, problem.Lost, err)
			continue
		}
		if item.Recovered {
			in.Counts.Recovered++
		} else {
			in.Counts.Decoded++
		}
		if err := r.item(&item); err != nil {
			return err
		}
	}
	state := coverage.Read
	if in.Counts.Failed > 0 || len(r.f.Damage) > 0 {
		state = coverage.Partly
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: r.from, To: r.to, History: coverage.Recording, State: state,
		How: "addresses that are still kept, each with its last time only; cleared ones leave remnants at best"})
	return nil
}

func (r *ie) item(i *msiecf.Item) error {
	k := kindOfIE(i.Location)
	r.e = event.Event{At: r.in.At.At(i.Off), Length: i.Length, Recovered: r.in.State, UserSID: r.sid, User: r.user,
		Record: fmt.Sprintf("%s %#x", i.Kind, i.Off), Fields: r.e.Fields[:0], Action: event.ReadOrOpened}
	if i.Recovered {
		r.e.Recovered = event.InSlack
		if r.accessed {
			r.e.Recovered = event.InDeleted
		}
	}
	if r.e.User == "" && k.user != "-" {
		r.e.User = k.user
	}
	r.add(event.Str("kind", k.name))
	r.what(i, &k)
	r.when(i, &k)
	r.fields(i, &k)
	r.e.Fields = append(r.e.Fields, r.more...)
	switch {
	case i.Recovered && r.accessed:
		r.e.Message += " (row that is marked deleted)"
	case i.Recovered:
		r.e.Message += " (record of a free block)"
	}
	if r.e.Ticks.Valid() && !i.Recovered {
		if r.from == 0 || r.e.Ticks < r.from {
			r.from = r.e.Ticks
		}
		r.to = max(r.to, r.e.Ticks)
	}
	return r.emit(&r.e)
}

func (r *ie) add(f event.Field) { r.e.Fields = append(r.e.Fields, f) }

// what sets action, address and message.
func (r *ie) what(i *msiecf.Item, k *ieKind) {
	e := &r.e
	host, isHost := strings.CutPrefix(k.url, ":Host: ")
	switch {
	case i.Kind == msiecf.Leak:
		e.Action = event.Other
		e.Message = fmt.Sprintf("Internet Explorer: the cached file %s could not be deleted", i.File)
		k.name = "leak"
		r.e.Fields = r.e.Fields[:0]
		r.add(event.Str("kind", k.name))
	case i.Kind == msiecf.Redirect:
		e.Action, e.URL = event.Other, i.Location
		e.Message = "Internet Explorer: redirected from " + i.Location
		r.e.Fields = r.e.Fields[:0]
		r.add(event.Str("kind", "redirection"))
	case isHost:
		e.Action, e.Host = event.Other, strings.ToLower(host)
		e.Message = "Internet Explorer: the history lists the host " + host
	case strings.HasSuffix(k.name, "history") && strings.HasPrefix(strings.ToLower(k.url), "file:"):
		e.Path = fileURI("file:" + k.url[5:])
		e.Message = "opened the file " + k.url[5:] + " (history of Internet Explorer and Explorer)"
	case strings.HasSuffix(k.name, "history"):
		e.URL = k.url
		e.Message = "Internet Explorer: visited " + k.url
	case k.name == "cache":
		e.URL = k.url
		e.Message = fmt.Sprintf("Internet Explorer or WinINet: cached %s (%d bytes)", k.url, i.Size)
	default:
		e.Action = event.Other
		if k.name == "cookie" {
			e.Host, _, _ = strings.Cut(strings.ToLower(k.url), "/")
		} else {
			e.URL = k.url
		}
		e.Message = fmt.Sprintf("Internet Explorer: %s: %s", k.name, k.url)
	}
}

// when sets the time and its meaning. In the daily history both times are of
// the visit, the first in UTC; in the weekly one the first is of the file, so
// the local one must be converted.
func (r *ie) when(i *msiecf.Item, k *ieKind) {
	e, primary, secondary := &r.e, event.Ticks(i.Primary), event.Ticks(i.Secondary)
	switch {
	case i.Kind == msiecf.Leak, i.Kind == msiecf.Redirect:
		e.Meaning = "time not kept"
	case k.local && k.daily && (r.accessed || quarterHours(primary, secondary)):
		e.Ticks, e.Meaning = primary, "last visited on that day"
	case k.local && r.accessed:
		e.Ticks, e.Meaning = primary, "last visited in that week"
	case k.local:
		e.Ticks, e.Zone, e.ZoneAssumed = r.in.Machine.Zone.UTC(secondary)
		e.Clock, e.Meaning = event.LocalTime, "last visited in that week"
		if k.daily {
			e.Meaning = "last visited on that day"
		}
	case k.name == "history":
		e.Ticks, e.Meaning = primary, "last visited"
	default:
		e.Ticks, e.Meaning = primary, "last used"
	}
	if !e.Ticks.Valid() { // nothing but that it was there
		e.Ticks, e.Fact, e.Meaning, e.Zone, e.ZoneAssumed, e.Clock = 0, true, "time not kept", "", false, ""
		e.To = r.in.Times.Modified
	}
}

// quarterHours tells whether two times are the same moment in UTC and in a
// zone: no more than 14 hours apart, in steps of a quarter of an hour.
func quarterHours(a, b event.Ticks) bool {
	if !a.Valid() || !b.Valid() {
		return false
	}
	d := b.Sub(a)
	return d%(15*time.Minute) == 0 && d.Abs() <= 14*time.Hour
}

func (r *ie) fields(i *msiecf.Item, k *ieKind) {
	str := func(name, s string) {
		if s != "" {
			r.add(event.Str(name, s))
		}
	}
	stamp := func(name string, t uint64) {
		if t != 0 {
			r.add(event.When(name, event.Ticks(t)))
		}
	}
	if i.Location != r.e.URL {
		str("location", i.Location)
	}
	if i.Hits > 0 {
		r.add(event.Uint("hits", i.Hits))
	}
	stamp("primary", i.Primary)
	stamp("secondary", i.Secondary)
	stamp("expires", i.Expires)
	stamp("checked", i.Checked)
	if i.File != "" {
		name := path.Join(i.Dir, i.File)
		str("cache_file", name)
	}
	if i.Size > 0 {
		r.add(event.Uint("size", i.Size))
	}
	head, _, _ := bytes.Cut(i.Data, []byte{0})
	if k.name == "cache" && bytes.HasPrefix(head, []byte("HTTP/")) {
		lines := strings.Split(strings.TrimRight(strings.ReplaceAll(string(head), "\r\n", "\n"), "\n"), "\n")
		str("response", lines[0])
		var kept []string
		user := ""
		for _, l := range lines[1:] {
			if u, ok := strings.CutPrefix(l, "~U:"); ok { // WinINet adds who asked
				user = u
			} else if l != "" {
				kept = append(kept, l)
			}
		}
		if len(kept) > 0 {
			r.add(event.List("headers", kept))
		}
		if user != "" {
			str("history_user", user)
			if r.e.User == "" {
				r.e.User = user
			}
		}
	} else if k.user != "" {
		str("history_user", k.user)
	}
	if i.Flags != 0 {
		r.add(event.Hex("flags", i.Flags))
	}
	if i.Partial {
		r.add(event.Bool("partial", true))
	}
}
