package mpdetection

import (
	"os"
	"testing"
	"time"

	"kanshiki/fixtures/corpus"
	"kanshiki/parsers/internal/filetime"
)

func sample(t testing.TB) []byte {
	b, err := os.ReadFile("testdata/container")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func stamp(t uint64) string {
	u := int64(t) - filetime.Unix
	return time.Unix(u/1e7, u%1e7*100).UTC().Format("2006-01-02T15:04:05.0000000Z")
}

// TestSample holds the values of plaso's own test and those read off the bytes.
func TestSample(t *testing.T) {
	f, err := Parse(sample(t))
	if err != nil || len(f.Damage) > 0 {
		t.Fatal(err, f)
	}
	if f.ID != "6afe33a0-19ba-4fff-892f-b700539d7d63" || f.Threat != "Virus:DOS/EICAR_Test_File" || f.ThreatID != 0x80008A1B || f.User != `FRYPTOP\testuser` || f.Process != "Unknown" || f.Category != 42 {
		t.Errorf("%+v", f)
	}
	if len(f.Resources) != 3 || f.Resources[0].Type != "containerfile" || f.Resources[1].Location != `C:\Users\testuser\Downloads\eicar_com.zip->eicar.com` ||
		f.Resources[1].Tracked("ThreatTrackingSha256") != "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f" || len(f.Resources[1].Tracking) != 14 {
		t.Errorf("%+v", f.Resources)
	}
	if len(f.Times) != 3 || stamp(f.Times[1].Ticks) != "2022-07-22T05:36:18.9293722Z" {
		t.Errorf("%+v, %s", f.Times, stamp(f.Times[1].Ticks))
	}
}

func TestCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "defender") {
		b, err := os.ReadFile(corpus.Path(t, "artifacts/"+row["file"]))
		if err != nil {
			t.Fatal(err)
		}
		if f, err := Parse(b); err != nil || len(f.Damage) > 0 || f.Threat == "" || len(f.Resources) == 0 {
			t.Errorf("%s: %v, %+v", row["file"], err, f)
		}
	}
}

func TestTruncation(t *testing.T) {
	whole := sample(t)
	all, _ := Parse(whole)
	for n := range whole {
		f, err := Parse(whole[:n])
		if err == nil && len(f.Damage) == 0 && len(f.Values) < len(all.Values) {
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
