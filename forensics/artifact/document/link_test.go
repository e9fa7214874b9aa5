package document

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

func parserSample(t testing.TB, path string) []byte {
	b, err := os.ReadFile("../../../parsers/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const recent = "Users/sato/AppData/Roaming/Microsoft/Windows/Recent/"

var sato = &artifact.Machine{Users: map[string]artifact.User{"S-1-5-21-1-2-3-1000": {Name: "sato", Profile: "Users/sato"}}}

// TestLnk: times and names are those of lnkinfo.
func TestLnk(t *testing.T) {
	src := artifacttest.Source{Path: recent + "Administrator.lnk", Data: parserSample(t, "lnk/testdata/seven-folder.lnk"), Machine: sato,
		Times: artifact.FileTimes{Created: 129600000000000000, Modified: 129600000010000000}}
	r := artifacttest.Run(t, Lnk, src)
	want := strings.Join([]string{
		`2009-07-14T04:53:59.0432474Z  target created, as the link knew it  created  target created, as the link knew it: Users/Administrator`,
		`2010-05-16T19:36:08.9673188Z  target's content modified, as the link knew it  written  target's content modified, as the link knew it: Users/Administrator`,
		`2010-05-16T19:36:08.9673188Z  target accessed, as the link knew it  other  target accessed, as the link knew it: Users/Administrator`,
		`2011-09-09T00:00:00.0000000Z  first opened (link created)  read-or-opened  Users/Administrator was opened by the shell of sato: first opened (link created)`,
		`2011-09-09T00:00:01.0000000Z  last opened (link written)  read-or-opened  Users/Administrator was opened by the shell of sato: last opened (link written)`, ""}, "\n")
	if got := artifacttest.Text(r.Events); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	e := r.Events[0]
	if e.Entry != 376 || e.Sequence != 1 || e.UserSID != "S-1-5-21-1-2-3-1000" || e.Host != "NETBOOK" {
		t.Errorf("entry %d-%d, user %s, host %s", e.Entry, e.Sequence, e.UserSID, e.Host)
	}
	json := string(event.AppendFields(nil, e.Fields))
	for _, w := range []string{`"volume_serial":"502e1a8a"`, `"machine":"netbook"`, `"machine_mac":"00:13:77:d3:4a:59"`, `"share":"\\\\NETBOOK\\Users\\Administrator"`,
		`"file entry Administrator (ADMINI~1); modified 2010-05-16T19:36:10Z; created 2009-07-14T04:54:00Z`} {
		if !strings.Contains(json, w) {
			t.Errorf("%s is not in %s", w, json)
		}
	}
}

// TestLnkElsewhere: a link on a desktop says nothing of an opening; one in a
// Startup folder starts its target.
func TestLnkElsewhere(t *testing.T) {
	src := artifacttest.Source{Data: parserSample(t, "lnk/testdata/exec-arguments.lnk"), Times: artifact.FileTimes{Created: 129600000000000000}}
	for path, want := range map[string]event.Action{
		"Users/sato/Desktop/x.lnk":                                        "",
		"ProgramData/Microsoft/Windows/Start Menu/Programs/Startup/x.lnk": event.Persisted,
	} {
		src.Path = path
		var got event.Action
		for _, e := range artifacttest.Read(Lnk, src).Events {
			if e.Action == event.ReadOrOpened {
				t.Errorf("%s: %s", path, e.Message)
			}
			if e.Fact {
				got = e.Action
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestJumplist: values are those of the bytes (see parsers/destlist), counts
// those of the truth table.
func TestJumplist(t *testing.T) {
	r := artifacttest.Run(t, Jumplist, artifacttest.Source{Path: recent + "AutomaticDestinations/f01b4d95cf55d32a.automaticDestinations-ms",
		Data: parserSample(t, "olecf/testdata/nine.automaticDestinations-ms"), Machine: sato})
	opened := 0
	for _, e := range r.Events {
		if e.Action == event.ReadOrOpened {
			opened++
		}
	}
	if opened != 9 || r.Counts.Decoded != 18 {
		t.Errorf("%d openings, %+v", opened, r.Counts)
	}
	e := r.Events[0]
	if e.Ticks != 0x01d126f71c53a075 || e.Path != "Temp" || e.Record != "7" || e.User != "sato" ||
		e.Message != "Temp was opened through Windows Explorer (8.1 and later) by the shell of sato" {
		t.Errorf("%+v", e)
	}
	r = artifacttest.Run(t, Jumplist, artifacttest.Source{Path: recent + "CustomDestinations/368d807282ccde9d.customDestinations-ms",
		Data: parserSample(t, "destlist/testdata/368d807282ccde9d.customDestinations-ms")})
	if r.Counts.Decoded != 3 {
		t.Errorf("%+v", r.Counts)
	}
}

func TestJumplistCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "jumplist") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		r := artifacttest.Read(Jumplist, artifacttest.Source{Path: row["file"], Data: b})
		n := func(k string) int64 { v, _ := strconv.ParseInt(row[k], 10, 64); return v }
		want := n("destlist_entries") + n("lnk_streams")
		if row["kind"] == "custom" {
			want = n("lnk_signatures")
		}
		if r.Err != nil || len(r.Problems) > 0 || r.Counts.Decoded != want || !r.Counts.Reconciles() {
			t.Errorf("%s: %v, %v, %+v, want %d", row["file"], r.Err, r.Problems, r.Counts, want)
		}
	}
}

func TestLnkCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "lnk") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		r := artifacttest.Read(Lnk, artifacttest.Source{Path: row["file"], Data: b})
		if row["flags"] == "" || row["state"] != "" {
			if r.Err == nil && len(r.Problems) == 0 {
				t.Errorf("%s: damage is silent", row["file"])
			}
			continue
		}
		if r.Err != nil || len(r.Problems) > 0 || len(r.Events) == 0 {
			t.Errorf("%s: %v %v", row["file"], r.Err, r.Problems)
		}
		for i := range r.Events {
			artifacttest.Event(t, Lnk, &r.Events[i], int64(len(b)))
		}
	}
}
