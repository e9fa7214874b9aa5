package registry

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

const when = 129597426671845678 // 2011-09-06T00:31:07.1845678Z

func TestKeys(t *testing.T) {
	data := hivefile.Build(`\??\C:\Users\sato\ntuser.dat`, hivefile.Key{Name: "root", Time: when, Keys: []hivefile.Key{
		{Name: "Control Panel", Time: when + 10000000},
		{Name: "Software", Time: 0, Values: []hivefile.Value{hivefile.SZ("a", "1"), {Name: "b", Type: regf.DWord, Data: []byte{1, 0, 0, 0}, Deleted: true}}},
	}})
	r := artifacttest.Run(t, Keys, artifacttest.Source{Path: "Users/sato/NTUSER.DAT", Data: data})
	want := strings.Join([]string{
		`2011-09-06T00:31:07.1845678Z  key last written  configured  key last written: HKU\sato`,
		`2011-09-06T00:31:08.1845678Z  key last written  configured  key last written: HKU\sato\Control Panel`,
		`  key last written  configured  key last written: HKU\sato\Software`,
		`  value deleted  configured  value deleted: HKU\sato\Software : b`,
	}, "\n") + "\n"
	if got := artifacttest.Text(r.Events); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if r.Counts.Decoded != 3 || r.Counts.Recovered != 1 {
		t.Errorf("%+v", r.Counts)
	}
	if got := string(event.AppendFields(nil, r.Events[2].Fields)); got != `{"value_count":1,"values":["a"],"raw_time":0}` {
		t.Error(got)
	}
}

// Every hive of the corpus gives the keys that three other readers count, and
// its account is whole.
func TestKeysCorpus(t *testing.T) {
	for _, row := range corpus.Truth(t, "registry") {
		if row["hdr_state"] != "clean" && row["hdr_state"] != "dirty" || row["libregf_keys"] == "" || row["libregf_keys"] == "loops" || row["state"] == "damaged on purpose" || strings.Contains(row["other"], "libregf_errors") {
			continue
		}
		name := corpus.Path(t, "artifacts/"+row["file"])
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r := artifacttest.Read(Keys, artifacttest.Source{Path: path.Base(row["file"]), Data: data})
		want, _ := strconv.ParseInt(row["libregf_keys"], 10, 64)
		if r.Err != nil || !r.Counts.Reconciles() || r.Counts.Decoded != want && r.Counts.Decoded+r.Counts.Failed != want {
			t.Errorf("%s: %v, %+v, %d keys by libregf", row["file"], r.Err, r.Counts, want)
		}
		values := 0
		for i := range r.Events {
			e := &r.Events[i]
			artifacttest.Event(t, Keys, e, int64(len(data)))
			if e.Recovered == "" && e.Fields[0].Name == "value_count" {
				n, _ := strconv.Atoi(e.Fields[0].Text())
				values += n
			}
		}
		if row["libregf_values"] != fmt.Sprint(values) && row["file"] != "registry/msuhanov+yarp/DeletedDataHiveTruncated" {
			t.Errorf("%s: %d values, %s by libregf", row["file"], values, row["libregf_values"])
		}
	}
}

// A dirty hive with its logs: the counts are those of the replay (parsers/regf),
// and keys that came from a log are located there.
func TestKeysReplay(t *testing.T) {
	dir := "artifacts/registry/mkorman90+regipy/SYSTEM_B"
	files := map[string][]byte{}
	for _, end := range []string{"", ".LOG1", ".LOG2"} {
		b, err := os.ReadFile(corpus.Path(t, dir+end))
		if err != nil {
			t.Fatal(err)
		}
		files["SYSTEM"+end] = b
	}
	r := artifacttest.Read(Keys, artifacttest.Source{Path: "Windows/System32/config/SYSTEM", Data: files["SYSTEM"], Siblings: files})
	if r.Err != nil || r.Counts.Decoded != 35595 || !r.Counts.Reconciles() {
		t.Errorf("%v, %+v", r.Err, r.Counts)
	}
	fresh := 0
	for _, e := range r.Events {
		for _, f := range e.Fields {
			if f.Name == "from_log" {
				fresh++
			}
		}
	}
	before := map[string]int{}
	for _, e := range r.Events {
		for _, f := range e.Fields {
			if f.Name == "where" {
				before[f.Text()]++
			}
		}
	}
	if before[artifact.ChangedBy] == 0 {
		t.Errorf("no value is shown as it was before the logs: %v", before)
	}
	if fresh < 2472 {
		t.Errorf("%d keys from the logs", fresh)
	}
	if len(r.Facts) != 1 || !strings.Contains(r.Facts[0].How, "305 pages of SYSTEM.LOG2 (numbers 2111 to 2130)") {
		t.Errorf("%+v", r.Facts)
	}
	// Without the logs, it is said that something may be missing.
	r = artifacttest.Read(Keys, artifacttest.Source{Path: "Windows/System32/config/SYSTEM", Data: files["SYSTEM"]})
	if r.Counts.Decoded != 33123 || len(r.Problems) != 1 {
		t.Errorf("%+v, %v", r.Counts, r.Problems)
	}
}

// Six keys are gone after the replay of this hive (reglookup before and after,
// compared by path).
func TestKeysTakenAway(t *testing.T) {
	dir := "artifacts/registry/mkorman90+regipy/transactions_"
	hive, err := os.ReadFile(corpus.Path(t, dir+"NTUSER.DAT"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(corpus.Path(t, dir+"ntuser.dat.log1"))
	if err != nil {
		t.Fatal(err)
	}
	r := artifacttest.Read(Keys, artifacttest.Source{Path: "Users/tony/NTUSER.DAT", Data: hive, Siblings: map[string][]byte{"ntuser.dat.log1": log}})
	keys := 0
	for _, e := range r.Events {
		if e.Recovered == event.InDeleted && !e.Fact {
			keys++
		}
	}
	if keys != 6 || r.Counts.Decoded != 3105 || !r.Counts.Reconciles() {
		t.Errorf("%d keys taken away, %+v", keys, r.Counts)
	}
}

func TestKeysRefuse(t *testing.T) {
	data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/log2timeline+dfwinreg/SYSTEM.DAT"))
	if err != nil {
		t.Fatal(err)
	}
	if r := artifacttest.Read(Keys, artifacttest.Source{Path: "SYSTEM.DAT", Data: data}); r.Err == nil || !strings.Contains(r.Err.Error(), "CREG") {
		t.Errorf("Windows 9x: %v", r.Err)
	}
}
