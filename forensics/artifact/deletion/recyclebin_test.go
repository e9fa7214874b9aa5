package deletion

import (
	"os"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
)

func binSample(t testing.TB, name string) []byte {
	b, err := os.ReadFile("../../../parsers/recyclebin/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const binSID = "S-1-5-21-1-2-3-1000"

// TestRecycleBin: values are those of rifiuti2 (see parsers/recyclebin).
func TestRecycleBin(t *testing.T) {
	m := &artifact.Machine{Users: map[string]artifact.User{binSID: {Name: "nromanoff"}}}
	r := artifacttest.Run(t, RecycleBin, artifacttest.Source{Path: "$Recycle.Bin/" + binSID + "/$ISEBKEC.zip", Data: binSample(t, "v1.I"), Machine: m,
		Siblings: map[string][]byte{"$RSEBKEC.zip": make([]byte, 7)}})
	want := "2012-03-16T20:27:20.4950000Z  deleted to the recycle bin  deleted  Users/nromanoff/Documents/New-Site-HQ-And-Landing-Pad.zip was deleted to the recycle bin by the shell of nromanoff (13449655 bytes)\n"
	if got := artifacttest.Text(r.Events); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if f := r.Events[0].Fields[3]; f.Text() != "present, 7 bytes" || r.Events[0].UserSID != binSID {
		t.Errorf("%v", r.Events[0])
	}
	r = artifacttest.Run(t, RecycleBin, artifacttest.Source{Path: "RECYCLED/INFO", Data: binSample(t, "95-ja.INFO")})
	if e := r.Events[2]; len(r.Events) != 11 || e.Path != "WINDOWS/ﾃﾞｽｸﾄｯﾌﾟ/新規ﾃｷｽﾄ文書.txt" || e.Record != "3" {
		t.Errorf("%d events, %+v", len(r.Events), e)
	}
}

// TestRecycleBinShort: a size that cannot be known is not given.
func TestRecycleBinShort(t *testing.T) {
	r := artifacttest.Read(RecycleBin, artifacttest.Source{Path: "$Recycle.Bin/" + binSID + "/$IYAR1YY.exe", Data: binSample(t, "v1-543.I")})
	if len(r.Events) != 1 || len(r.Problems) != 1 || !strings.Contains(r.Events[0].Message, "size not known") || r.Events[0].Path != "dd.exe" {
		t.Errorf("%+v %v", r.Events, r.Problems)
	}
}

func TestRecycleBinCorpus(t *testing.T) {
	events := 0
	for _, row := range corpus.Truth(t, "recyclebin") {
		if row["kind"] == "" || strings.HasSuffix(row["file"], ".txt") && row["kind"] != "$I" || strings.HasSuffix(row["file"], ".json") || strings.HasSuffix(row["file"], ".xml") {
			continue // listings
		}
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		src := artifacttest.Source{Path: row["file"], Data: b}
		if row["kind"] != "$I" {
			src.Path = "RECYCLER/INFO2"
		}
		r := artifacttest.Read(RecycleBin, src)
		if r.Err != nil || !r.Counts.Reconciles() {
			t.Errorf("%s: %v, %+v", row["file"], r.Err, r.Counts)
		}
		events += len(r.Events)
	}
	t.Logf("%d events", events)
}
