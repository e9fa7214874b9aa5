package browser

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/parsers/sqlite"
)

// Chrome is the history of Chrome and of the browsers made from it: Edge since
// 2020, Chromium, Vivaldi, Opera, Brave.
var Chrome = artifact.Spec{
	Name: "browser/chrome", Title: "History of Chrome, Edge, Opera, Vivaldi",
	Globs: []string{"**/User Data/*/History", "**/User Data/*/Archived History", "**/User Data/Snapshots/*/*/History", "**/EBWebView/*/History",
		"**/Opera Software/*/History", "**/Opera Software/*/*/History"},
	Loose: func(name string, head []byte) bool {
		low := strings.ToLower(name)
		return sqlite.Is(head) && !bytes.Contains(head, []byte("moz_")) &&
			(strings.Contains(low, "history") || bytes.Contains(head, []byte("keyword_search_terms")) || bytes.Contains(head, []byte("CREATE TABLE visits")))
	},
	Fields: []string{"browser", "title", "transition", "transition_flags", "visit_source", "from_url", "visit_count", "typed_count", "last_visit", "hidden", "duration_ms", "search_terms",
		"state", "started", "ended", "total_bytes", "danger_type", "interrupt_reason", "opened", "last_access", "current_path", "url_chain", "referrer", "site_url", "tab_url",
		"tab_referrer", "method", "mime_type", "original_mime_type", "etag", "last_modified", "extension", "url_id", "time_raw", "view"},
	Limit: limit, Family: artifact.FamilyBrowser,
	Card: artifact.Card{
		Proves:    "this profile of the browser loaded the address at the time; a download from the address to the path, with the bytes received and its state; words searched for",
		NotProven: "that a person saw or wanted it (pages load others, extensions and programs open pages: see transition); that it was on this machine, where visit_source says synced or imported; uploads and their bytes; pages of private windows; that a page not listed was not visited; that a downloaded file was opened (opened = from the browser's own list only)",
		Clock:     "system clock, UTC, microseconds since 1601; downloads before version 26 in seconds; synchronised visits: the other machine's clock",
		Retention: "about 90 days (older ones in Archived History before version 37); the user may remove pages, spans or all; not kept in private windows",
		Switches:  "policy SavingBrowserHistoryDisabled, AllowDeletingBrowserHistory, ClearBrowsingDataOnExit; private windows",
		Source:    "Chromium source: history_database.cc, download_database.cc, page_transition_types.h; plaso, hindsight; ANCHORS 4e",
	},
	Read: func(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
		return read(ctx, in, emit, "visits that are still kept; private windows and removed visits leave no row", (&chrome{}).tables)
	},
}

// chrome reads the tables of one view.
type chrome struct {
	*view
	name   string
	urls   map[int64]*page
	visits map[int64]int64 // visit → page, for where a visit came from
	source map[int64]int64
}

// page is a row of urls.
type page struct {
	url, title           string
	visits, typed, hides int64
	last                 event.Ticks
	terms                []string
	off                  sqlite.Row
	seen                 bool // a visit of it was given
}

func (c *chrome) tables(v *view) error {
	*c = chrome{view: v, name: product(v.in.Source), urls: map[int64]*page{}, visits: map[int64]int64{}, source: map[int64]int64{}}
	if v.db.Table("visits") == nil && v.db.Table("urls") == nil && v.db.Table("downloads") == nil {
		return fmt.Errorf("no history: tables visits, urls and downloads are missing")
	}
	for row := range v.lookup("urls", "url", "title", "visit_count", "typed_count", "last_visit_time", "hidden") {
		p := &page{url: v.keep(row.Values[0].Text), title: v.keep(row.Values[1].Text), off: row}
		p.visits, _ = row.Values[2].Number()
		p.typed, _ = row.Values[3].Number()
		p.last, _ = webkit(row.Values[4])
		p.hides, _ = row.Values[5].Number()
		c.urls[row.ID] = p
		p.off.Values = nil
	}
	for row := range v.lookup("visit_source", "source") {
		c.source[row.ID], _ = row.Values[0].Number()
	}
	for row := range v.lookup("keyword_search_terms", "url_id", "term", "lower_term") {
		id, _ := row.Values[0].Number()
		if p := c.urls[id]; p != nil {
			p.terms = append(p.terms, v.keep(row.Values[1].Text))
		}
	}
	if err := c.readVisits(); err != nil {
		return err
	}
	if err := c.readPages(); err != nil {
		return err
	}
	return c.readDownloads()
}

// core names of a transition (page_transition_types.h).
var transitions = []string{"link", "typed", "bookmark", "frame loaded by itself", "frame chosen", "generated", "start page", "form sent", "reloaded", "keyword", "keyword generated"}

var qualifiers = []struct {
	bit  uint32
	name string
}{
	{0x00800000, "blocked"}, {0x01000000, "back or forward"}, {0x02000000, "address bar"}, {0x04000000, "home page"}, {0x08000000, "other program"},
	{0x40000000, "redirected by the page"}, {0x80000000, "redirected by the server"},
}

func transition(v sqlite.Value) (name string, raw uint32) {
	n, _ := v.Number()
	raw = uint32(n)
	name = named(transitions, int64(raw&0xff))
	for _, q := range qualifiers {
		if raw&q.bit != 0 {
			name += ", " + q.name
		}
	}
	return name, raw
}

var visitSources = []string{"synced from another machine", "browsed", "extension", "imported from Firefox", "imported from Internet Explorer", "imported from Safari"}

func (c *chrome) readVisits() error {
	for row := range c.rows("visits", "url", "visit_time", "from_visit", "transition", "visit_duration") {
		id, _ := row.Values[0].Number()
		t, precision := webkit(row.Values[1])
		c.visits[row.ID] = id
		c.count(row.ID, t)
		e := c.begin("visits", &row)
		e.Action, e.Meaning = event.ReadOrOpened, "visited"
		c.add(event.Str("browser", c.name))
		p := c.urls[id]
		if p == nil {
			p = &page{}
			e.Message = fmt.Sprintf("%s: visited a page that is no longer listed (%d)", c.name, id)
		} else {
			p.seen = true
			e.Message = fmt.Sprintf("%s: visited %s%s", c.name, p.url, quoted(p.title))
		}
		e.URL = p.url
		c.str("title", p.title)
		name, raw := transition(row.Values[3])
		e.Message += " (" + name + ")"
		c.add(event.Str("transition", name))
		c.add(event.Hex("transition_flags", raw))
		if s, ok := c.source[row.ID]; ok {
			c.add(event.Str("visit_source", named(visitSources, s)))
			e.Message += ", " + named(visitSources, s)
		}
		if from, _ := row.Values[2].Number(); from > 0 {
			if q := c.urls[c.visits[from]]; q != nil {
				c.str("from_url", q.url)
			}
		}
		c.pageFields(p)
		if d, _ := row.Values[4].Number(); d > 0 {
			c.add(event.Int("duration_ms", d/1000))
		}
		if len(p.terms) > 0 {
			c.add(event.List("search_terms", p.terms))
		}
		if p.url == "" {
			c.num("url_id", row.Values[0])
		}
		c.when(t, precision, row.Values[1])
		if err := c.finish(); err != nil {
			return err
		}
	}
	return c.ctx.Err()
}

func (c *chrome) pageFields(p *page) {
	if p.visits > 0 || p.url != "" {
		c.add(event.Int("visit_count", p.visits))
		c.add(event.Int("typed_count", p.typed))
		c.time("last_visit", p.last, event.Micro)
	}
	if p.hides != 0 {
		c.add(event.Bool("hidden", true))
	}
}

// readPages gives the pages whose visits are gone: their last visit is known.
func (c *chrome) readPages() error {
	for row := range c.rows("urls", "last_visit_time") {
		p := c.urls[row.ID]
		if p == nil || p.seen {
			continue
		}
		t, precision := webkit(row.Values[0])
		e := c.begin("urls", &row)
		e.Action, e.Meaning, e.URL = event.ReadOrOpened, "last visited", p.url
		e.Message = fmt.Sprintf("%s: last visited %s%s; %d visits, none of them listed", c.name, p.url, quoted(p.title), p.visits)
		c.add(event.Str("browser", c.name))
		c.str("title", p.title)
		c.pageFields(p)
		if len(p.terms) > 0 {
			c.add(event.List("search_terms", p.terms))
		}
		c.when(t, precision, row.Values[0])
		if t.Valid() && c.span.count == 0 {
			c.span.to = max(c.span.to, t)
		}
		if err := c.finish(); err != nil {
			return err
		}
	}
	return c.ctx.Err()
}

var downloadStates = []string{"in progress", "complete", "cancelled", "in progress", "interrupted"}

// Columns of downloads, in the order they are asked for.
const (
	dFull = iota // before version 26
	dURL
	dCurrent
	dTarget
	dStart
	dEnd
	dReceived
	dTotal
	dState
	dDanger
	dInterrupt
	dOpened
	dAccess
	dReferrer
	dSite
	dTab
	dTabReferrer
	dMethod
	dMime
	dOriginalMime
	dETag
	dModified
	dExtension
	dHash
)

var downloadColumns = []string{"full_path", "url", "current_path", "target_path", "start_time", "end_time", "received_bytes", "total_bytes", "state", "danger_type", "interrupt_reason",
	"opened", "last_access_time", "referrer", "site_url", "tab_url", "tab_referrer_url", "http_method", "mime_type", "original_mime_type", "etag", "last_modified", "by_ext_name", "hash"}

func (c *chrome) readDownloads() error {
	if c.db.Table("downloads") == nil {
		return nil
	}
	chains := map[int64][]link{}
	for row := range c.lookup("downloads_url_chains", "id", "chain_index", "url") {
		id, _ := row.Values[0].Number()
		index, _ := row.Values[1].Number()
		chains[id] = append(chains[id], link{index, c.keep(row.Values[2].Text)})
	}
	for row := range c.rows("downloads", downloadColumns...) {
		chain := chains[row.ID]
		slices.SortStableFunc(chain, func(a, b link) int { return cmp.Compare(a.index, b.index) })
		var urls []string
		for _, l := range chain {
			urls = append(urls, l.url)
		}
		if err := c.download(&row, urls); err != nil {
			return err
		}
	}
	return c.ctx.Err()
}

// link is one address of the redirections that led to a file.
type link struct {
	index int64
	url   string
}

func (c *chrome) download(row *sqlite.Row, chain []string) error {
	v := row.Values
	start, startPrecision := webkit(v[dStart])
	end, endPrecision := webkit(v[dEnd])
	e := c.begin("downloads", row)
	e.Action, e.URL, e.Path = event.Downloaded, v[dURL].Text, v[dTarget].Text
	if n := len(chain); n > 0 {
		e.URL = chain[n-1]
	}
	if e.Path == "" {
		e.Path = v[dFull].Text
	}
	if e.Path == "" {
		e.Path = v[dCurrent].Text
	}
	recorded := e.Path
	e.Path = place(e.Path)
	e.Host, e.Port = hostOf(e.URL)
	if n, ok := v[dReceived].Number(); ok && n >= 0 {
		e.BytesReceived = &n
	}
	number, _ := v[dState].Number()
	if number != 1 && (e.BytesReceived == nil || *e.BytesReceived == 0) {
		e.Action = event.Other // nothing came
	}
	state := named(downloadStates, number)
	if number == 1 && len(v[dHash].Text) == 32 { // of the whole content only where it came whole
		e.SHA256 = hex.EncodeToString([]byte(v[dHash].Text))
	}
	e.Message = fmt.Sprintf("%s: downloaded %s to %s (%s, %s of %s bytes)", c.name, e.URL, recorded, state, v[dReceived].String(), v[dTotal].String())
	c.add(event.Str("browser", c.name))
	c.add(event.Str("state", state))
	c.time("started", start, startPrecision)
	c.time("ended", end, endPrecision)
	c.num("total_bytes", v[dTotal])
	c.num("danger_type", v[dDanger])
	c.num("interrupt_reason", v[dInterrupt])
	if n, ok := v[dOpened].Number(); ok {
		c.add(event.Bool("opened", n != 0))
	}
	access, accessPrecision := webkit(v[dAccess])
	c.time("last_access", access, accessPrecision)
	if s := v[dCurrent].Text; s != recorded {
		c.str("current_path", s)
	}
	if len(chain) > 1 {
		c.add(event.List("url_chain", chain))
	}
	c.str("referrer", v[dReferrer].Text)
	c.str("site_url", v[dSite].Text)
	c.str("tab_url", v[dTab].Text)
	c.str("tab_referrer", v[dTabReferrer].Text)
	c.str("method", v[dMethod].Text)
	c.str("mime_type", v[dMime].Text)
	c.str("original_mime_type", v[dOriginalMime].Text)
	c.str("etag", v[dETag].Text)
	c.str("last_modified", v[dModified].Text)
	c.str("extension", v[dExtension].Text)
	if end != 0 {
		e.Meaning = "download ended"
		c.when(end, endPrecision, v[dEnd])
	} else {
		e.Meaning = "download started"
		c.when(start, startPrecision, v[dStart])
	}
	return c.finish()
}

// product is the browser's name by the folder of its profile.
func product(path string) string {
	low := strings.ToLower(path)
	for _, p := range []struct{ part, name string }{
		{"/google/chrome", "Chrome"}, {"/microsoft/edge", "Edge"}, {"/chromium/", "Chromium"}, {"/vivaldi/", "Vivaldi"}, {"/opera software/", "Opera"},
		{"/bravesoftware/", "Brave"}, {"/yandex/", "Yandex"}, {"/ebwebview/", "WebView2"},
	} {
		if strings.Contains("/"+low, p.part) {
			return p.name
		}
	}
	return "Chrome or a relative"
}
