package document

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

const hiveTime = 129597426671845678 // 2011-09-06T00:31:07.1845678Z

func order(n ...uint32) hivefile.Value {
	var b []byte
	for _, x := range append(n, 0xFFFFFFFF) {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return hivefile.Bin("MRUListEx", b)
}

// name is a RecentDocs value: a name, and an item that is not read.
func name(value, s string) hivefile.Value {
	return hivefile.Bin(value, append(append(hivefile.UTF16(s), 0, 0), 0x10, 0, 0x32, 0))
}

func users() []byte {
	return hivefile.Build(`\??\C:\Users\sato\ntuser.dat`, hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Key{Name: "Environment"},
		hivefile.Path(explorer+"RecentDocs", hiveTime, hivefile.Key{
			Values: []hivefile.Value{order(2, 0), name("0", "資料.doc"), name("1", "lost.doc"), name("2", "plan.xls")},
			Keys:   []hivefile.Key{{Name: ".doc", Time: hiveTime + 10000000, Values: []hivefile.Value{order(0), name("0", "資料.doc")}}},
		}),
		hivefile.Path(explorer+"TypedPaths", hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("url1", `C:\work`), hivefile.SZ("url2", `\\srv\share`)}}),
		hivefile.Path(explorer+"RunMRU", hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("MRUList", "ba"), hivefile.SZ("a", `cmd\1`), hivefile.SZ("b", `C:\x\y.exe -z\1`)}}),
		hivefile.Path(explorer+`ComDlg32\LastVisitedMRU`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("MRUList", "a"), hivefile.Bin("a", append(append(hivefile.UTF16("7zG.exe\x00"), hivefile.UTF16(`C:\out`)...), 0, 0))}}),
		hivefile.Path(`Software\Microsoft\Internet Explorer\TypedURLs`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("url1", "http://a.example/"), hivefile.SZ("url2", "http://b.example/"), hivefile.SZ("url3", "http://c.example/")}}),
		hivefile.Path(`Software\Microsoft\Internet Explorer\TypedURLsTime`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.Bin("url2", binary.LittleEndian.AppendUint64(nil, hiveTime-10000000))}}),
		hivefile.Path(explorer+"Map Network Drive MRU", hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("MRUList", "a"), hivefile.SZ("a", `\\fs01\docs`)}}),
		hivefile.Path(`Software\Microsoft\Office\14.0\Word\File MRU`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("Item 1", `[F00000000][T01CD0146EA1EADB0][O00000000]*C:\Users\nfury\a.docx`), hivefile.DWord("Max Display", 25)}}),
		hivefile.Path(`Software\Microsoft\Office\14.0\Word\Security\Trusted Documents\TrustRecords`, hiveTime, hivefile.Key{Values: []hivefile.Value{
			hivefile.Bin(`%USERPROFILE%/Documents/a%20b.docm`, append(binary.LittleEndian.AppendUint64(nil, hiveTime), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F)),
		}}),
	)})
}

func TestLists(t *testing.T) {
	m := &artifact.Machine{Users: map[string]artifact.User{"S-1-5-21-1-2-3-1001": {Name: "sato", Profile: "Users/sato"}}}
	src := artifacttest.Source{Path: "Users/sato/NTUSER.DAT", Data: users(), Machine: m}
	for _, c := range []struct {
		spec artifact.Spec
		want []string // time, meaning, action, message
		path []string
	}{
		{RecentDocs, []string{
			`  opened by the shell before  read-or-opened  sato: shell opened 資料.doc`,
			`  opened by the shell before  read-or-opened  sato: shell opened lost.doc`,
			`2011-09-06T00:31:07.1845678Z  opened by the shell  read-or-opened  sato: shell opened plan.xls`,
			`2011-09-06T00:31:08.1845678Z  opened by the shell  read-or-opened  sato: shell opened 資料.doc`,
		}, []string{"資料.doc", "lost.doc", "plan.xls", "資料.doc"}},
		{TypedPaths, []string{
			`2011-09-06T00:31:07.1845678Z  typed into the Explorer's address line  other  sato: typed into the Explorer C:\work`,
			`  typed into the Explorer's address line before  other  sato: typed into the Explorer \\srv\share`,
		}, []string{"work", `\\srv\share`}},
		{RunMRU, []string{
			`  entered in the Run dialog before  other  sato: Run dialog: cmd`,
			`2011-09-06T00:31:07.1845678Z  entered in the Run dialog  other  sato: Run dialog: C:\x\y.exe -z`,
		}, []string{"", "x/y.exe"}},
		{LastVisited, []string{`2011-09-06T00:31:07.1845678Z  used an open or save dialog  other  sato: dialog used by 7zG.exe in C:\out`}, []string{"out"}},
		{TypedURLs, []string{
			`2011-09-06T00:31:07.1845678Z  typed into Internet Explorer  other  sato: typed into Internet Explorer: http://a.example/`,
			`2011-09-06T00:31:06.1845678Z  typed into Internet Explorer  other  sato: typed into Internet Explorer: http://b.example/`,
			`  typed into Internet Explorer before  other  sato: typed into Internet Explorer: http://c.example/`,
		}, nil},
		{NetworkDrives, []string{`2011-09-06T00:31:07.1845678Z  share connected as a drive  share-accessed  sato: connected \\fs01\docs`}, []string{`\\fs01\docs`}},
		{OfficeMRU, []string{event.Ticks(0x01CD0146EA1EADB0).String() + `  opened by Office  read-or-opened  sato: Office opened C:\Users\nfury\a.docx`}, []string{"Users/nfury/a.docx"}},
		{TrustRecords, []string{`2011-09-06T00:31:07.1845678Z  trusted by the user  read-or-opened  sato: trusted document %USERPROFILE%/Documents/a%20b.docm with its macros`}, []string{"Users/sato/Documents/a b.docm"}},
	} {
		r := artifacttest.Run(t, c.spec, src)
		if got := strings.Split(strings.TrimSuffix(artifacttest.Text(r.Events), "\n"), "\n"); !slices.Equal(got, c.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", c.spec.Name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		for i, e := range r.Events {
			if i < len(c.path) && e.Path != c.path[i] || e.UserSID != "S-1-5-21-1-2-3-1001" {
				t.Errorf("%s: %q of %s", c.spec.Name, e.Path, e.UserSID)
			}
		}
	}
}

// Numbers of values by reglookup; the shellbags are stated by regipy's tests.
func TestListsCorpus(t *testing.T) {
	specs := []artifact.Spec{RecentDocs, TypedPaths, RunMRU, OpenSave, LastVisited, WordWheel, Shellbags, OfficeMRU, TrustRecords}
	for name, want := range map[string][]int64{
		"log2timeline+plaso/NTUSER-WIN7.DAT": {38, 1, 1, 29, 8, 2, 3, 7, 3},
		"mkorman90+regipy/NTUSER_BAGMRU.DAT": {206, 16, 17, 61, 20, 6, 102, -1, -1},
		"log2timeline+plaso/NTUSER.DAT":      {6, 0, 0, 0, 0, 0, 5, 0, 0},
		"mkorman90+regipy/NTUSER.DAT":        {22, 0, 0, 0, 0, 6, 0, -1, -1},
	} {
		data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/"+name))
		if err != nil {
			t.Fatal(err)
		}
		for i, spec := range specs {
			r := artifacttest.Read(spec, artifacttest.Source{Path: "Users/x/NTUSER.DAT", Data: data})
			if r.Err != nil || !r.Counts.Reconciles() || want[i] >= 0 && r.Counts.Declared != want[i] || r.Counts.Failed > 0 {
				t.Errorf("%s: %s: %v, %+v, want %d: %v", name, spec.Name, r.Err, r.Counts, want[i], r.Problems)
			}
			for j := range r.Events {
				artifacttest.Event(t, spec, &r.Events[j], int64(len(data)))
			}
		}
	}
}

// A path of the shell from a volume, and one from a known folder. The names
// are those that reglookup shows in the values.
func TestItemsCorpus(t *testing.T) {
	data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/mkorman90+regipy/NTUSER_BAGMRU.DAT"))
	if err != nil {
		t.Fatal(err)
	}
	m := &artifact.Machine{}
	got := map[string]bool{}
	for _, e := range artifacttest.Read(OpenSave, artifacttest.Source{Path: "Users/tony/NTUSER.DAT", Data: data, Machine: m}).Events {
		got[e.Path] = true
	}
	for _, path := range []string{"Training/MA/MA.vmx", "Users/tony/Desktop/tomeriko.edb"} {
		if !got[path] {
			t.Errorf("%s is not among the paths", path)
		}
	}
}

func TestArchivers(t *testing.T) {
	data := hivefile.Build(`\??\C:\Users\sato\ntuser.dat`, hivefile.Key{Name: "root", Time: hiveTime, Keys: hivefile.Merge(
		hivefile.Key{Name: "Environment"},
		hivefile.Path(`Software\WinRAR\ArcHistory`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.SZ("0", `C:\work\d.rar`), hivefile.SZ("1", `E:\old.zip`)}}),
		hivefile.Path(`Software\7-Zip\Compression`, hiveTime, hivefile.Key{Values: []hivefile.Value{hivefile.Bin("ArcHistory", hivefile.UTF16("C:\\a.7z\x00b.7z\x00"))}}),
	)})
	r := artifacttest.Run(t, Archivers, artifacttest.Source{Path: "Users/sato/NTUSER.DAT", Data: data})
	want := []string{
		`2011-09-06T00:31:07.1845678Z  archives opened or made  other  sato: WinRAR, archives opened or made: C:\work\d.rar`,
		`  archives opened or made  other  sato: WinRAR, archives opened or made: E:\old.zip`,
		`2011-09-06T00:31:07.1845678Z  archives made  other  sato: 7-Zip, archives made: C:\a.7z`,
		`  archives made  other  sato: 7-Zip, archives made: b.7z`,
	}
	if got := strings.Split(strings.TrimSuffix(artifacttest.Text(r.Events), "\n"), "\n"); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if r.Events[0].Path != "work/d.rar" || r.Events[1].Path != `E:\old.zip` {
		t.Errorf("%q, %q", r.Events[0].Path, r.Events[1].Path)
	}
}
