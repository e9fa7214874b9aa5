package browser

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

// ieSample is a sample of the parser.
func ieSample(t testing.TB, name, path string) artifacttest.Source {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../../parsers/msiecf/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return artifacttest.Source{Path: path, Data: b, Machine: machine}
}

// TestIE: times and addresses by msiecfexport.
func TestIE(t *testing.T) {
	r := artifacttest.Run(t, IE, ieSample(t, "daily.dat", "Users/sato/AppData/Local/Microsoft/Windows/History/History.IE5/MSHist012013031020130311/index.dat"))
	if len(r.Events) != 23 || r.Events[0].User != "sato" {
		t.Fatalf("%d events, %+v", len(r.Events), r.Events[0])
	}
	has(t, r, `2013-03-10T09:38:51.6190000Z  last visited on that day  read-or-opened  Internet Explorer: visited http://windowsupdate.microsoft.com/windowsupdate/v6/default.aspx`,
		`2013-03-10T09:38:51.6190000Z  last visited on that day  other  Internet Explorer: the history lists the host windowsupdate.microsoft.com`)
	if e := r.Events[0]; field(&e, "secondary") != "2013-03-10T10:38:51.6190000Z" || field(&e, "hits") != "1" || e.URL != "http://windowsupdate.microsoft.com/windowsupdate/v6/default.aspx" {
		t.Errorf("%+v", e)
	}
	r = artifacttest.Run(t, IE, ieSample(t, "content.dat", "Users/sato/AppData/Local/Microsoft/Windows/Temporary Internet Files/Content.IE5/index.dat"))
	if len(r.Events) != 35 || count(r, "last used") != 21 || count(r, "time not kept") != 14 {
		t.Errorf("%d events", len(r.Events))
	}
	has(t, r, `2015-08-25T11:05:20.2620000Z  last used  read-or-opened  Internet Explorer or WinINet: cached http://static-hp-neu.s-msn.com/sc/54/4f1880.ico (4286 bytes)`)
	if e := r.Events[1]; field(&e, "cache_file") != "5ZBG4UOD/favicon[1].ico" || field(&e, "response") != "HTTP/1.1 200 OK" || field(&e, "history_user") != "gold_administrator" {
		t.Errorf("%+v", e)
	}
}

// weekly turns the first record of the daily sample into one of the weekly
// history that names a file, whose local time stands alone.
func TestIEWeeklyFile(t *testing.T) {
	src := ieSample(t, "daily.dat", "Users/sato/Local Settings/History/History.IE5/MSHist012013030420130311/index.dat")
	src.Machine = &artifact.Machine{Zone: artifact.Zone{Name: "Tokyo Standard Time", Bias: -540}}
	b := bytes.Clone(src.Data)
	copy(b[20480+0x68:], ":2013030420130311: sato@file:///C:/Users/sato/%E8%B3%87%E6%96%99.doc\x00")
	binary.LittleEndian.PutUint64(b[20480+16:], 130073904000000000) // 2013-03-11, when the week's file was made
	src.Data = b
	r := artifacttest.Read(IE, src)
	e := r.Events[0]
	if e.Ticks.Format(event.Second) != "2013-03-10T01:38:51Z" || e.Clock != event.LocalTime || e.Zone != "Tokyo Standard Time" || e.Path != "Users/sato/資料.doc" || e.User != "sato" ||
		e.Meaning != "last visited in that week" || e.Action != event.ReadOrOpened {
		t.Errorf("%+v", e)
	}
}

// TestIECorpus: items and recovered items by msiecfinfo.
func TestIECorpus(t *testing.T) {
	b, err := os.ReadFile(corpus.Path(t, "artifacts/indexdat/log2timeline+plaso/msiecf/nfury_index.dat"))
	if err != nil {
		t.Fatal(err)
	}
	r := artifacttest.Read(IE, artifacttest.Source{Path: "index.dat", Data: b})
	if r.Err != nil || r.Counts.Decoded != 1027 || r.Counts.Recovered != 8 || len(r.Events) != 1035 || len(r.Problems) > 0 {
		t.Errorf("%v %+v %v", r.Err, r.Counts, r.Problems)
	}
	for i := range r.Events {
		artifacttest.Event(t, IE, &r.Events[i], int64(len(b)))
	}
}
