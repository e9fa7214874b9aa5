package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/parsers/sqlite"
)

// Firefox is the history of Firefox: places.sqlite, and downloads.sqlite as
// versions before 26 kept it.
var Firefox = artifact.Spec{
	Name: "browser/firefox", Title: "History of Firefox",
	Globs: []string{"**/Mozilla/Firefox/Profiles/*/places.sqlite", "**/Mozilla/Firefox/Profiles/*/downloads.sqlite", "**/Profiles/*/places.sqlite", "**/Profiles/*/downloads.sqlite"},
	Loose: func(name string, head []byte) bool {
		low := strings.ToLower(name)
		return sqlite.Is(head) && (strings.HasPrefix(low, "places") || strings.HasPrefix(low, "downloads.sqlite") || strings.HasPrefix(low, "firefox") && !strings.Contains(low, "cookies") ||
			bytes.Contains(head, []byte("moz_historyvisits")) || bytes.Contains(head, []byte("moz_downloads")))
	},
	Fields: []string{"browser", "title", "visit_type", "from_url", "visit_count", "typed", "last_visit", "hidden", "description", "state", "started", "ended", "total_bytes",
		"referrer", "mime_type", "temporary_path", "name", "place_id", "time_raw", "view"},
	Limit: limit, Family: artifact.FamilyBrowser,
	Card: artifact.Card{
		Proves:    "this profile of the browser loaded the address at the time; a download from the address to the path, with its state and size; a bookmark was made",
		NotProven: "that a person saw or wanted it (pages load others, extensions and programs open pages: see visit_type); that it was on this machine, where the profile is synchronised; uploads and their bytes; pages of private windows; that a page not listed was not visited; that a downloaded file was opened",
		Clock:     "system clock, UTC, microseconds since 1970; end and size of downloads from version 26 on in milliseconds",
		Retention: "by number of pages, bounded by memory and disk (places.history.expiration), often years; the user may remove pages, spans or all; bookmarks stay",
		Switches:  "places.history.enabled, browser.privatebrowsing.autostart, privacy.sanitize.sanitizeOnShutdown in prefs.js",
		Source:    "Firefox source: nsNavHistory, nsINavHistoryService, DownloadHistory, nsDownloadManager; plaso; ANCHORS 4e",
	},
	Read: func(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
		return read(ctx, in, emit, "visits that are still kept; private windows and removed visits leave no row", (&firefox{}).tables)
	},
}

// firefox reads the tables of one view.
type firefox struct {
	*view
	places map[int64]*site
	visits map[int64]int64
}

// site is a row of moz_places.
type site struct {
	url, title, about    string
	visits, typed, hides int64
	last                 event.Ticks
	precision            event.Precision
	seen                 bool
}

func (f *firefox) tables(v *view) error {
	*f = firefox{view: v, places: map[int64]*site{}, visits: map[int64]int64{}}
	if v.db.Table("moz_places") == nil && v.db.Table("moz_historyvisits") == nil && v.db.Table("moz_downloads") == nil {
		return fmt.Errorf("no history: tables moz_places, moz_historyvisits and moz_downloads are missing")
	}
	for row := range v.lookup("moz_places", "url", "title", "visit_count", "typed", "last_visit_date", "hidden", "description") {
		p := &site{url: v.keep(row.Values[0].Text), title: v.keep(row.Values[1].Text), about: v.keep(row.Values[6].Text)}
		p.visits, _ = row.Values[2].Number()
		p.typed, _ = row.Values[3].Number()
		p.last, p.precision = prtime(row.Values[4])
		p.hides, _ = row.Values[5].Number()
		f.places[row.ID] = p
	}
	for _, read := range []func() error{f.readVisits, f.readPages, f.readBookmarks, f.readAnnotations, f.readDownloads} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

var visitTypes = []string{"", "link", "typed", "bookmark", "embedded", "redirected for ever", "redirected", "download", "link in a frame", "reloaded"}

func (f *firefox) readVisits() error {
	for row := range f.rows("moz_historyvisits", "place_id", "visit_date", "from_visit", "visit_type") {
		id, _ := row.Values[0].Number()
		t, precision := prtime(row.Values[1])
		f.visits[row.ID] = id
		f.count(row.ID, t)
		e := f.begin("moz_historyvisits", &row)
		e.Action, e.Meaning = event.ReadOrOpened, "visited"
		kind, _ := row.Values[3].Number()
		p := f.places[id]
		if p == nil {
			p = &site{}
			e.Message = fmt.Sprintf("Firefox: visited a page that is no longer listed (%d)", id)
		} else {
			p.seen = true
			e.Message = fmt.Sprintf("Firefox: visited %s%s", p.url, quoted(p.title))
		}
		e.Message += " (" + named(visitTypes, kind) + ")"
		e.URL = p.url
		f.add(event.Str("browser", "Firefox"))
		f.str("title", p.title)
		f.add(event.Str("visit_type", named(visitTypes, kind)))
		if from, _ := row.Values[2].Number(); from > 0 {
			if q := f.places[f.visits[from]]; q != nil {
				f.str("from_url", q.url)
			}
		}
		f.pageFields(p)
		if p.url == "" {
			f.num("place_id", row.Values[0])
		}
		f.when(t, precision, row.Values[1])
		if err := f.finish(); err != nil {
			return err
		}
	}
	return f.ctx.Err()
}

func (f *firefox) pageFields(p *site) {
	if p.url != "" {
		f.add(event.Int("visit_count", p.visits))
		f.add(event.Int("typed", p.typed))
		f.time("last_visit", p.last, p.precision)
	}
	if p.hides != 0 {
		f.add(event.Bool("hidden", true))
	}
	f.str("description", p.about)
}

// readPages gives the pages that have a last visit and none listed.
func (f *firefox) readPages() error {
	for row := range f.rows("moz_places", "last_visit_date") {
		p := f.places[row.ID]
		if p == nil || p.seen || p.last == 0 {
			continue
		}
		e := f.begin("moz_places", &row)
		e.Action, e.Meaning, e.URL = event.ReadOrOpened, "last visited", p.url
		e.Message = fmt.Sprintf("Firefox: last visited %s%s; %d visits, none of them listed", p.url, quoted(p.title), p.visits)
		f.add(event.Str("browser", "Firefox"))
		f.str("title", p.title)
		f.pageFields(p)
		f.when(p.last, p.precision, row.Values[0])
		if err := f.finish(); err != nil {
			return err
		}
	}
	return f.ctx.Err()
}

// readBookmarks gives those that lead to a page; folders and separators are
// the browser's furniture.
func (f *firefox) readBookmarks() error {
	for row := range f.rows("moz_bookmarks", "type", "fk", "title", "dateAdded") {
		kind, _ := row.Values[0].Number()
		id, _ := row.Values[1].Number()
		p := f.places[id]
		if kind != 1 || p == nil || p.url == "" {
			continue
		}
		t, precision := prtime(row.Values[3])
		e := f.begin("moz_bookmarks", &row)
		e.Action, e.Meaning, e.URL = event.Other, "bookmark made", p.url
		e.Message = fmt.Sprintf("Firefox: bookmark made for %s%s", p.url, quoted(row.Values[2].Text))
		f.add(event.Str("browser", "Firefox"))
		f.str("title", row.Values[2].Text)
		f.when(t, precision, row.Values[3])
		if err := f.finish(); err != nil {
			return err
		}
	}
	return f.ctx.Err()
}

// annotation is what a page's annotations say of a download of it, from
// version 26 on.
type annotation struct {
	State    *int64 `json:"state"`
	EndTime  int64  `json:"endTime"`
	FileSize *int64 `json:"fileSize"`
}

var annotationStates = []string{"", "complete", "failed", "cancelled", "paused", "blocked by parental controls", "blocked as dangerous", "", "dirty"}

func (f *firefox) readAnnotations() error {
	names, about := map[int64]string{}, map[int64]annotation{}
	for row := range f.lookup("moz_anno_attributes", "name") {
		names[row.ID] = row.Values[0].Text
	}
	if !hasDownloads(names) {
		return nil
	}
	for row := range f.lookup("moz_annos", "place_id", "anno_attribute_id", "content") {
		id, _ := row.Values[0].Number()
		attribute, _ := row.Values[1].Number()
		if names[attribute] == "downloads/metaData" && len(row.Values[2].Text) < 1<<16 {
			var a annotation
			if json.Unmarshal([]byte(row.Values[2].Text), &a) == nil {
				about[id] = a
			}
		}
	}
	for row := range f.rows("moz_annos", "place_id", "anno_attribute_id", "content", "dateAdded") {
		id, _ := row.Values[0].Number()
		attribute, _ := row.Values[1].Number()
		if names[attribute] != "downloads/destinationFileURI" {
			continue
		}
		if err := f.annotated(&row, f.places[id], about[id]); err != nil {
			return err
		}
	}
	return f.ctx.Err()
}

func hasDownloads(names map[int64]string) bool {
	for _, n := range names {
		if n == "downloads/destinationFileURI" {
			return true
		}
	}
	return false
}

func (f *firefox) annotated(row *sqlite.Row, p *site, a annotation) error {
	start, precision := prtime(row.Values[3])
	e := f.begin("moz_annos", row)
	e.Action, e.Meaning = event.Downloaded, "download started"
	if p != nil {
		e.URL = p.url
	}
	e.Host, e.Port = hostOf(e.URL)
	e.Path = fileURI(row.Values[2].Text)
	state := "state not recorded"
	if a.State != nil {
		state = named(annotationStates, *a.State)
	}
	e.Message = fmt.Sprintf("Firefox: downloaded %s to %s (%s)", e.URL, e.Path, state)
	f.add(event.Str("browser", "Firefox"))
	f.add(event.Str("state", state))
	f.time("started", start, precision)
	if a.FileSize != nil && *a.FileSize >= 0 {
		e.BytesReceived = a.FileSize
		f.add(event.Int("total_bytes", *a.FileSize))
	}
	f.when(start, precision, row.Values[3])
	if end := valid(clamp(a.EndTime)*10000 + unix); a.EndTime > 0 && end != 0 {
		e.Meaning = "download ended"
		e.Ticks, e.Precision = end, event.Milli
	}
	return f.finish()
}

func clamp(ms int64) int64 {
	if ms < 0 || ms > 1<<48 {
		return 0
	}
	return ms
}

var managerStates = []string{"in progress", "complete", "failed", "cancelled", "paused", "queued", "blocked by parental controls", "being scanned", "found infected", "blocked by policy"}

// readDownloads reads downloads.sqlite.
func (f *firefox) readDownloads() error {
	for row := range f.rows("moz_downloads", "name", "source", "target", "tempPath", "startTime", "endTime", "state", "referrer", "currBytes", "maxBytes", "mimeType") {
		v := row.Values
		start, startPrecision := prtime(v[4])
		end, endPrecision := prtime(v[5])
		if f.db.Table("moz_historyvisits") == nil {
			f.count(row.ID, max(start, end))
		}
		e := f.begin("moz_downloads", &row)
		e.Action, e.URL, e.Path = event.Downloaded, v[1].Text, fileURI(v[2].Text)
		e.Host, e.Port = hostOf(e.URL)
		if n, ok := v[8].Number(); ok && n >= 0 {
			e.BytesReceived = &n
		}
		number, _ := v[6].Number()
		state := named(managerStates, number)
		if number != 1 && (e.BytesReceived == nil || *e.BytesReceived == 0) {
			e.Action = event.Other // nothing came
		}
		e.Message = fmt.Sprintf("Firefox: downloaded %s to %s (%s, %s of %s bytes)", e.URL, e.Path, state, v[8].String(), v[9].String())
		f.add(event.Str("browser", "Firefox"))
		f.add(event.Str("state", state))
		f.time("started", start, startPrecision)
		f.time("ended", end, endPrecision)
		f.num("total_bytes", v[9])
		f.str("referrer", v[7].Text)
		f.str("mime_type", v[10].Text)
		f.str("temporary_path", v[3].Text)
		f.str("name", v[0].Text)
		if end != 0 && end >= start {
			e.Meaning = "download ended"
			f.when(end, endPrecision, v[5])
		} else {
			e.Meaning = "download started"
			f.when(start, startPrecision, v[4])
		}
		if err := f.finish(); err != nil {
			return err
		}
	}
	return f.ctx.Err()
}
