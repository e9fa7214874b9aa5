package browser

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // makes the databases that no sample shows

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

const (
	chromePath  = "Users/sato/AppData/Local/Google/Chrome/User Data/Default/History"
	firefoxPath = "Users/sato/AppData/Roaming/Mozilla/Firefox/Profiles/x.default/places.sqlite"
)

var machine = &artifact.Machine{Users: map[string]artifact.User{"S-1-5-21-1-2-3-1001": {Name: "sato", Profile: "Users/sato"}}}

func sample(t testing.TB, name, path string) artifacttest.Source {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return artifacttest.Source{Path: path, Data: b, Machine: machine}
}

func field(e *event.Event, name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Text()
		}
	}
	return ""
}

func has(t *testing.T, r artifacttest.Result, lines ...string) {
	t.Helper()
	text := artifacttest.Text(r.Events)
	for _, want := range lines {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
}

func count(r artifacttest.Result, meaning string) (n int) {
	for _, e := range r.Events {
		if e.Meaning == meaning {
			n++
		}
	}
	return n
}

// TestChrome: times and addresses by plaso's test of this file and the sqlite3
// tool.
func TestChrome(t *testing.T) {
	r := artifacttest.Run(t, Chrome, sample(t, "History-8", chromePath))
	if count(r, "visited") != 69 || len(r.Events) != 71 || r.Counts.Decoded != 71 {
		t.Errorf("%d visits, %d events, %+v", count(r, "visited"), len(r.Events), r.Counts)
	}
	has(t, r, `2011-05-23T08:35:30Z  download started  downloaded  Chrome: downloaded http://fatloss4idiotsx.com/download/funcats/funcats_scr.exe to /home/john/Downloads/funcats_scr.exe (complete, 1132155 of 1132155 bytes)`)
	e := r.Events[0]
	if e.Ticks.Format(event.Micro) != "2011-04-07T12:03:11.000000Z" || e.URL != "http://start.ubuntu.com/10.04/Google/" || field(&e, "title") != "Ubuntu Start Page" || e.User != "sato" || e.UserSID == "" {
		t.Errorf("%+v", e)
	}
	if f := r.Facts[0]; f.From != e.Ticks || f.Gaps != uint64(f.Last-f.First+1-69) {
		t.Errorf("%+v", f)
	}
}

func TestChromeDownloads(t *testing.T) {
	r := artifacttest.Run(t, Chrome, sample(t, "History-35", chromePath))
	if count(r, "visited") != 19 || len(r.Events) != 23 {
		t.Errorf("%d visits, %d events", count(r, "visited"), len(r.Events))
	}
	has(t, r,
		`2014-06-30T16:55:05.767037Z  download ended  downloaded  Chrome: downloaded http://www.eicar.org/download/eicar_com.zip to /Users/temp/Downloads/eicar_com.zip (complete, 184 of 184 bytes)`,
		`2014-06-30T16:54:36.100765Z  download started  downloaded  Chrome: downloaded http://www.eicar.org/download/eicar.com to /Users/temp/Downloads/eicar.com (interrupted, 68 of 68 bytes)`)
	last := r.Events[22]
	if *last.BytesReceived != 58901947 || last.Host != "dl.google.com" || field(&last, "mime_type") != "application/x-apple-diskimage" || field(&last, "total_bytes") != "58901947" {
		t.Errorf("%+v", last)
	}
	terms := 0
	for _, e := range r.Events {
		if strings.Contains(field(&e, "search_terms"), "download google chrome") {
			terms++
		}
	}
	if terms == 0 {
		t.Error("no search terms")
	}
}

// TestFirefoxDownloads: by plaso's test of this file.
func TestFirefoxDownloads(t *testing.T) {
	r := artifacttest.Run(t, Firefox, sample(t, "downloads.sqlite", strings.Replace(firefoxPath, "places", "downloads", 1)))
	if len(r.Events) != 1 {
		t.Fatal(r.Events)
	}
	e := r.Events[0]
	if e.Ticks.Format(event.Micro) != "2013-07-18T19:01:18.578000Z" || field(&e, "started") != "2013-07-18T18:59:59.312000Z" || *e.BytesReceived != 15974599 ||
		e.Path != `D:\plaso-static-1.0.1-win32-vs2008.zip` || e.Host != "plaso.googlecode.com" || e.Action != event.Downloaded {
		t.Errorf("%+v", e)
	}
}

// TestCookies: by the sqlite3 tool.
func TestCookies(t *testing.T) {
	r := artifacttest.Run(t, Cookies, sample(t, "Cookies-68", "Users/sato/AppData/Local/Google/Chrome/User Data/Default/Cookies"))
	if len(r.Events) != 5 {
		t.Errorf("%d cookies", len(r.Events))
	}
	has(t, r, `2018-08-20T17:19:53.134291Z  cookie made  other  Chrome: cookie "__cfduid" of .fbi.gov made, last used 2018-08-20T17:19:53Z`)
	for _, e := range r.Events {
		if strings.Contains(e.Message+field(&e, "name"), "secret") || field(&e, "value_bytes") == "" {
			t.Errorf("%+v", e)
		}
	}
}

// TestForms: by the sqlite3 tool.
func TestForms(t *testing.T) {
	r := artifacttest.Run(t, Forms, sample(t, "WebData", "Users/sato/AppData/Local/Google/Chrome/User Data/Default/Web Data"))
	if len(r.Events) != 3 {
		t.Fatal(r.Events)
	}
	has(t, r, `2018-08-17T19:35:51Z  form entry last used  other  Chrome: "log2timeline/plaso" was put into the field "repo", 1 times`)
}

// TestCorpus: every visit and download of the corpus, by the sqlite3 tool.
func TestCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "browser") {
		table := map[string]int{}
		for _, part := range strings.Split(row["table_rows"], "; ") {
			name, n, _ := strings.Cut(part, "=")
			table[name], _ = strconv.Atoi(n)
		}
		spec, path, want := Chrome, chromePath, table["visits"]+table["downloads"]
		switch {
		case table["moz_historyvisits"] > 0:
			spec, path, want = Firefox, firefoxPath, table["moz_historyvisits"]
		case table["visits"] == 0:
			continue
		}
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Error(err)
			continue
		}
		r := artifacttest.Read(spec, artifacttest.Source{Path: path, Data: b})
		got := 0
		for _, e := range r.Events {
			if e.Meaning == "visited" || strings.HasPrefix(e.Meaning, "download") {
				got++
			}
			if e.Ticks == 0 || e.URL == "" {
				t.Errorf("%s: %+v", row["file"], e)
			}
		}
		if r.Err != nil || got != want || len(r.Problems) > 0 || !r.Counts.Reconciles() {
			t.Errorf("%s: %d of %d, %v %v", row["file"], got, want, r.Err, r.Problems)
		}
	}
}

func TestFirefoxPlaces(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "artifacts/browser/log2timeline+plaso/firefox/places.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	r := artifacttest.Run(t, Firefox, artifacttest.Source{Path: firefoxPath, Data: b, Machine: machine})
	has(t, r, `2011-07-01T11:16:21.371935Z  visited  read-or-opened  Firefox: visited http://news.google.com/ "Google News" (typed)`)
}

// database makes a database by statements; then are written to its log.
func database(t testing.TB, statements string, then ...string) (db, wal []byte) {
	t.Helper()
	p := filepath.Join(t.TempDir(), "x.sqlite")
	c, err := sql.Open("sqlite", p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetMaxOpenConns(1)
	run := func(s string) {
		if _, err := c.Exec(s); err != nil {
			t.Fatal(s, err)
		}
	}
	run(statements)
	if len(then) > 0 {
		run(`PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0`)
		for _, s := range then {
			run(s)
		}
		if wal, err = os.ReadFile(p + "-wal"); err != nil {
			t.Fatal(err)
		}
	}
	if db, err = os.ReadFile(p); err != nil {
		t.Fatal(err)
	}
	return db, wal
}

const places = `CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url LONGVARCHAR, title LONGVARCHAR, visit_count INTEGER DEFAULT 0, hidden INTEGER DEFAULT 0 NOT NULL, typed INTEGER DEFAULT 0 NOT NULL, last_visit_date INTEGER);
	CREATE TABLE moz_historyvisits (id INTEGER PRIMARY KEY, from_visit INTEGER, place_id INTEGER, visit_date INTEGER, visit_type INTEGER, session INTEGER);
	CREATE TABLE moz_anno_attributes (id INTEGER PRIMARY KEY, name VARCHAR(32) UNIQUE NOT NULL);
	CREATE TABLE moz_annos (id INTEGER PRIMARY KEY, place_id INTEGER NOT NULL, anno_attribute_id INTEGER, content LONGVARCHAR, dateAdded INTEGER DEFAULT 0);
	CREATE TABLE moz_bookmarks (id INTEGER PRIMARY KEY, type INTEGER, fk INTEGER, parent INTEGER, title LONGVARCHAR, dateAdded INTEGER);
	INSERT INTO moz_anno_attributes VALUES (1, 'downloads/destinationFileURI'), (2, 'downloads/metaData');
	INSERT INTO moz_places VALUES (1, 'http://a.example/', 'A', 2, 0, 1, 1700000001000000), (2, 'http://b.example/x.zip', NULL, 1, 0, 0, 1700000002000000), (3, 'http://gone.example/', 'Gone', 9, 0, 0, 1600000000000000);
	INSERT INTO moz_historyvisits VALUES (1, 0, 1, 1700000000000000, 2, 0), (2, 1, 1, 1700000001000000, 9, 0), (3, 1, 2, 1700000002000000, 7, 0);
	INSERT INTO moz_annos VALUES (1, 2, 1, 'file:///C:/Users/sato/Downloads/x%20y.zip', 1700000002000000), (2, 2, 2, '{"state":1,"endTime":1700000003500,"fileSize":4711}', 1700000002000000);
	INSERT INTO moz_bookmarks VALUES (1, 2, NULL, 0, 'menu', 1699999999000000), (2, 1, 1, 1, 'A, kept', 1700000009000000)`

func TestFirefoxMade(t *testing.T) {
	db, _ := database(t, places)
	r := artifacttest.Run(t, Firefox, artifacttest.Source{Path: firefoxPath, Data: db, Machine: machine})
	want := `2023-11-14T22:13:20.000000Z  visited  read-or-opened  Firefox: visited http://a.example/ "A" (typed)
2023-11-14T22:13:21.000000Z  visited  read-or-opened  Firefox: visited http://a.example/ "A" (reloaded)
2023-11-14T22:13:22.000000Z  visited  read-or-opened  Firefox: visited http://b.example/x.zip (download)
2020-09-13T12:26:40.000000Z  last visited  read-or-opened  Firefox: last visited http://gone.example/ "Gone"; 9 visits, none of them listed
2023-11-14T22:13:29.000000Z  bookmark made  other  Firefox: bookmark made for http://a.example/ "A, kept"
2023-11-14T22:13:23.500Z  download ended  downloaded  Firefox: downloaded http://b.example/x.zip to Users/sato/Downloads/x y.zip (complete)
`
	if got := artifacttest.Text(r.Events); got != want {
		t.Errorf("%s", got)
	}
	if e := r.Events[5]; e.Path != "Users/sato/Downloads/x y.zip" || e.Host != "b.example" || *e.BytesReceived != 4711 {
		t.Errorf("%+v", e)
	}
	if field(&r.Events[2], "from_url") != "http://a.example/" {
		t.Errorf("%+v", r.Events[2])
	}
}

// TestLog: what only the log has is marked, what it removes is recovered.
func TestLog(t *testing.T) {
	db, wal := database(t, places, `DELETE FROM moz_historyvisits WHERE id = 2`, `INSERT INTO moz_places VALUES (4, 'http://new.example/', 'New', 1, 0, 0, 1700000500000000)`,
		`INSERT INTO moz_historyvisits VALUES (7, 0, 4, 1700000500000000, 1, 0)`)
	src := artifacttest.Source{Path: firefoxPath, Data: db, Machine: machine, Siblings: map[string][]byte{"places.sqlite-wal": wal}}
	r := artifacttest.Run(t, Firefox, src)
	if r.Counts.Decoded != 6 || r.Counts.Recovered != 1 {
		t.Errorf("%+v", r.Counts)
	}
	views := map[string][]string{}
	for _, e := range r.Events {
		views[field(&e, "view")] = append(views[field(&e, "view")], e.Record+" "+string(e.Recovered))
	}
	if !slices.Equal(views[logOnly], []string{"moz_historyvisits 7 "}) || !slices.Equal(views[databaseOnly], []string{"moz_historyvisits 2 deleted"}) {
		t.Errorf("%v", views)
	}
	without := artifacttest.Read(Firefox, artifacttest.Source{Path: firefoxPath, Data: db, Machine: machine})
	if len(without.Events) != 6 || count(without, "visited") != 3 {
		t.Errorf("%d events", len(without.Events))
	}
	src.Siblings["places.sqlite-wal"] = wal[:40]
	if r := artifacttest.Read(Firefox, src); len(r.Events) != 6 {
		t.Errorf("cut log: %d events", len(r.Events))
	}
	src.Siblings = map[string][]byte{"places.sqlite-journal": append([]byte("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"), make([]byte, 600)...)}
	if r := artifacttest.Read(Firefox, src); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Found, "journal") {
		t.Errorf("%v", r.Problems)
	}
}

// TestOddities: visits of pages that are gone, impossible times, numbers as
// text, downloads of which nothing came, a digest.
func TestOddities(t *testing.T) {
	db, _ := database(t, `CREATE TABLE urls (id INTEGER PRIMARY KEY, url, title, visit_count, typed_count, last_visit_time, hidden);
		CREATE TABLE visits (id INTEGER PRIMARY KEY, url, visit_time, from_visit, transition, visit_duration);
		CREATE TABLE visit_source (id INTEGER PRIMARY KEY, source);
		CREATE TABLE downloads (id INTEGER PRIMARY KEY, current_path, target_path, start_time, end_time, received_bytes, total_bytes, state, danger_type, hash);
		CREATE TABLE downloads_url_chains (id, chain_index, url, PRIMARY KEY (id, chain_index)) WITHOUT ROWID;
		INSERT INTO urls VALUES (1, 'https://[bad', 'x', 1, 0, 13300000000000000, 0);
		INSERT INTO visits VALUES (1, 99, -5, 0, 1610612736, 0), (2, '1', '13300000000000000', 1, 0x02000001, 2500000), (3, 1, x'00', NULL, NULL, NULL);
		INSERT INTO visit_source VALUES (2, 0);
		INSERT INTO downloads VALUES (1, '', 'C:\Users\sato\Downloads\a.zip', 13300000000000000, 0, 0, 5, 2, 0, NULL),
			(2, 'C:\Users\sato\b.crdownload', 'C:\Users\sato\b.exe', 13300000000000000, 13300000001000000, 5, 5, 1, 0, zeroblob(32));
		INSERT INTO downloads_url_chains VALUES (2, 1, 'https://cdn.example:8443/b.exe'), (2, 0, 'https://short.example/1')`)
	r := artifacttest.Run(t, Chrome, artifacttest.Source{Path: chromePath, Data: db, Machine: machine})
	has(t, r, `  visited  read-or-opened  Chrome: visited a page that is no longer listed (99) (link, redirected by the page)`,
		`2022-06-18T04:26:40.000000Z  visited  read-or-opened  Chrome: visited https://[bad "x" (typed, address bar), synced from another machine`,
		`  visited  read-or-opened  Chrome: visited https://[bad "x" (link)`,
		`2022-06-18T04:26:40.000000Z  download started  other  Chrome: downloaded  to C:\Users\sato\Downloads\a.zip (cancelled, 0 of 5 bytes)`,
		`2022-06-18T04:26:41.000000Z  download ended  downloaded  Chrome: downloaded https://cdn.example:8443/b.exe to C:\Users\sato\b.exe (complete, 5 of 5 bytes)`)
	e := r.Events[4]
	if e.Path != "Users/sato/b.exe" || e.Host != "cdn.example" || e.Port != 8443 || e.SHA256 != strings.Repeat("00", 32) || field(&e, "url_chain") != `["https://short.example/1","https://cdn.example:8443/b.exe"]` {
		t.Errorf("%+v", e)
	}
	if field(&r.Events[0], "time_raw") != "-5" || field(&r.Events[1], "duration_ms") != "2500" {
		t.Errorf("%+v", r.Events[:2])
	}
}

func TestFileURI(t *testing.T) {
	for in, want := range map[string]string{
		"file:///C:/Users/a%20b/x.zip": "Users/a b/x.zip", "file:///D:/x": `D:\x`, "file://///srv/share/x": `\\srv\share\x`, "file://srv/share/x": `\\srv\share\x`,
		"file:///home/u/x": "/home/u/x", `C:\Users\a\x`: "Users/a/x",
	} {
		if got := fileURI(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestLoose(t *testing.T) {
	specs := map[string]artifact.Spec{"chrome": Chrome, "firefox": Firefox, "cookies": Cookies, "forms": Forms}
	for name, want := range map[string]string{"History-8": "chrome", "History-35": "chrome", "WebData": "", "Cookies-68": "cookies", "downloads.sqlite": "firefox"} {
		src := sample(t, name, "x")
		var got []string
		for kind, s := range specs {
			if s.Loose(name, src.Data[:min(len(src.Data), 4096)]) {
				got = append(got, kind)
			}
		}
		if strings.Join(got, "") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}

func BenchmarkChrome(b *testing.B) {
	src := sample(b, "History-8", chromePath)
	b.SetBytes(int64(len(src.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if r := artifacttest.Read(Chrome, src); len(r.Events) != 71 {
			b.Fatal(fmt.Sprint(r.Err))
		}
	}
}
