package browser

import (
	"testing"

	"kanshiki/fixtures/esefile"
	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
)

// webCacheMade is a database of four lists; the last one stands in no table of
// names. Times are hand-made: 132780668556499330 is 2021-10-07T07:54:15.649933Z.
func webCacheMade(state uint32) artifacttest.Source {
	c := func(name string, kind uint32) esefile.Column { return esefile.Column{Name: name, Type: kind} }
	text := func(s string) []byte { return append(hivefile.UTF16(s), 0, 0) }
	columns := []esefile.Column{c("EntryId", esefile.LongLong), c("SecureDirectory", esefile.UnsignedLong), c("FileSize", esefile.LongLong), c("AccessCount", esefile.UnsignedLong),
		c("CreationTime", esefile.LongLong), c("ModifiedTime", esefile.LongLong), c("AccessedTime", esefile.LongLong), c("ExpiryTime", esefile.LongLong),
		c("Url", esefile.LongBinary), c("Filename", esefile.LongBinary), c("ResponseHeaders", esefile.LongBinary)}
	const at, hour = int64(132780668556499330), int64(36_000_000_000)
	list := func(name string, rows ...[]any) esefile.Table {
		return esefile.Table{Name: name, Columns: columns, Rows: rows}
	}
	return artifacttest.Source{Path: "Users/sato/AppData/Local/Microsoft/Windows/WebCache/WebCacheV01.dat", Machine: machine,
		Data: esefile.Database(state,
			esefile.Table{Name: "Containers", Columns: []esefile.Column{c("ContainerId", esefile.LongLong), c("Name", esefile.LongBinary), c("SecureDirectories", esefile.LongBinary)},
				Rows: [][]any{{1, text("History"), nil}, {2, text("Content"), text("5ZBG4UODAAAABBBB")}, {3, text("MSHist012021100720211008"), nil}}},
			list("Container_1",
				[]any{1, 0, 0, 3, at - hour, at, at, 0, text("Visited: sato@https://intra.example/page"), nil, nil},
				[]any{2, 0, 0, 1, 0, at, at + 1, 0, text("Visited: sato@file:///C:/Users/sato/%E8%B3%87%E6%96%99.doc"), nil, nil}),
			list("Container_2",
				[]any{1, 2, 4286, 1, at, at, at + 2, at + hour, text("http://198.51.100.7/a.gif"), text("a[1].gif"), []byte("HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\n\r\n~U:sato\r\n")}),
			list("Container_3",
				[]any{1, 0, 0, 1, 0, at + 9*hour, at + 3, 0, text(":2021100720211008: sato@https://intra.example/page"), nil, nil}),
			list("Container_9",
				[]any{1, 0, 0, 1, 0, 0, 0, 0, text("Cookie:sato@example.org/"), nil, nil},
				[]any{2, 0, 0, 1, 0, 0, at, 0, nil, nil, nil}),
			esefile.Table{Name: "HstsEntryEx", Columns: columns})}
}

func TestWebCache(t *testing.T) {
	r := artifacttest.Run(t, WebCache, webCacheMade(esefile.Clean))
	if r.Counts.Declared != 6 || r.Counts.Decoded != 5 || r.Counts.Failed != 1 || len(r.Problems) != 1 || len(r.Events) != 5 {
		t.Fatalf("%+v %d events %+v", r.Counts, len(r.Events), r.Problems)
	}
	has(t, r, "2021-10-07T07:54:15.6499330Z  last visited  read-or-opened  Internet Explorer: visited https://intra.example/page",
		"2021-10-07T07:54:15.6499331Z  last visited  read-or-opened  opened the file ///C:/Users/sato/%E8%B3%87%E6%96%99.doc (history of Internet Explorer and Explorer)",
		"2021-10-07T07:54:15.6499332Z  last used  read-or-opened  Internet Explorer or WinINet: cached http://198.51.100.7/a.gif (4286 bytes)",
		"2021-10-07T07:54:15.6499333Z  last visited on that day  read-or-opened  Internet Explorer: visited https://intra.example/page")
	if e := r.Events[0]; e.User != "sato" || field(&e, "container") != "History" || field(&e, "hits") != "3" || field(&e, "created") != "2021-10-07T06:54:15.6499330Z" || e.Clock == event.LocalTime {
		t.Errorf("%+v", e)
	}
	if e := r.Events[1]; e.Path != "Users/sato/資料.doc" {
		t.Errorf("%+v", e)
	}
	if e := r.Events[2]; field(&e, "cache_file") != "AAAABBBB/a[1].gif" || field(&e, "response") != "HTTP/1.1 200 OK" {
		t.Errorf("%+v", e)
	}
	if e := r.Events[4]; !e.Fact || e.Host != "example.org" || field(&e, "container") != "" || field(&e, "container_id") != "9" {
		t.Errorf("%+v", e)
	}
	if c := r.Facts[len(r.Facts)-1]; c.State != coverage.Partly {
		t.Errorf("%+v", c)
	}
}

func TestWebCacheInUse(t *testing.T) {
	r := artifacttest.Read(WebCache, webCacheMade(esefile.Dirty))
	if len(r.Events) != 5 || len(r.Problems) != 2 { // its logs were not read, and the row without an address
		t.Errorf("%d events, %+v", len(r.Events), r.Problems)
	}
}
