package taskjob

import (
	"encoding/hex"
	"os"
	"testing"
	"time"

	"kanshiki/parsers/internal/filetime"
)

func sample(t testing.TB) []byte {
	b, err := os.ReadFile("testdata/wintask.job")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func stamp(t uint64) string {
	u := int64(t) - filetime.Unix
	return time.Unix(u/1e7, u%1e7*100).UTC().Format("2006-01-02 15:04:05.000")
}

// TestSample holds the truth table's row and the values of plaso's own test.
func TestSample(t *testing.T) {
	j, err := Parse(sample(t))
	if err != nil || len(j.Damage) > 0 {
		t.Fatal(err, j)
	}
	if j.Product != 0x601 || j.Format != 1 || hex.EncodeToString(j.ID[:]) != "ebcff20d9352e941a45e733720c2e1fa" {
		t.Errorf("%#x, %d, %s", j.Product, j.Format, j.ID)
	}
	if j.Application != `C:\Program Files (x86)\Google\Update\GoogleUpdate.exe` || j.Parameters != "/ua /installsource scheduler" || j.WorkingDir != "" || j.Author != "Brian" {
		t.Errorf("%q %q %q %q", j.Application, j.Parameters, j.WorkingDir, j.Author)
	}
	if len(j.Comment) != 272 && j.Comment[:5] != "Keeps" {
		t.Errorf("comment %q", j.Comment)
	}
	if got := stamp(j.LastRun); got != "2013-08-24 12:42:00.112" {
		t.Errorf("last run %s", got)
	}
	if len(j.Triggers) != 1 || stamp(j.Triggers[0].Start) != "2013-07-12 15:42:00.000" || j.Triggers[0].Type != 1 || j.Triggers[0].End != 0 {
		t.Errorf("triggers %+v", j.Triggers)
	}
}

func TestTruncation(t *testing.T) {
	whole := sample(t)
	all, _ := Parse(whole)
	for n := range whole {
		j, err := Parse(whole[:n])
		if err == nil && len(j.Damage) == 0 && len(j.Triggers) < len(all.Triggers) {
			t.Errorf("cut at %d of %d: loss is silent", n, len(whole))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f))
	f.Fuzz(func(t *testing.T, b []byte) { Parse(b) })
}

func BenchmarkParse(b *testing.B) {
	data := sample(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
