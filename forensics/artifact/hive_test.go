package artifact

import (
	"os"
	"path"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
)

func hiveInput(t *testing.T, source string, entry uint64, data []byte, siblings map[string]*Input) *Input {
	t.Helper()
	return &Input{
		At: locator.Locator{Exhibit: "x", Volume: 1, Entry: entry}, Source: source, Name: path.Base(source), Size: int64(len(data)), R: strings.NewReader(string(data)), Machine: &Machine{},
		Report: func(p problem.Problem) { t.Error(p) }, Cover: func(coverage.Fact) {},
		Sibling: func(name string) (*Input, bool) { in, ok := siblings[strings.ToLower(name)]; return in, ok },
	}
}

// A key that came from a log is shown as bytes of that log.
func TestHiveFromLog(t *testing.T) {
	dir := "artifacts/registry/mkorman90+regipy/"
	read := func(name string) []byte {
		b, err := os.ReadFile(corpus.Path(t, dir+name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	log := read("transactions_ntuser.dat.log1")
	in := hiveInput(t, "Users/tony/NTUSER.DAT", 7, read("transactions_NTUSER.DAT"), map[string]*Input{
		"ntuser.dat.log1": hiveInput(t, "Users/tony/ntuser.dat.LOG1", 8, log, nil),
	})
	h, err := OpenHive(in)
	if err != nil {
		t.Fatal(err)
	}
	k, err := h.Lookup(`Software\Microsoft\Payment`) // upstream names it among the new ones
	if err != nil {
		t.Fatal(err)
	}
	at := h.At(in, k.Offset, k.Path())
	if at.Entry != 8 || string(log[at.Offset+4:at.Offset+6]) != "nk" {
		t.Errorf("%v", at)
	}
	var source string
	if err := h.Emit(func(e *event.Event) error { source = e.Source; return nil })(&event.Event{At: at}); err != nil || source != "Users/tony/ntuser.dat.LOG1" {
		t.Errorf("%v, %q", err, source)
	}
	if h.Kind != HiveUser || h.User != "tony" {
		t.Errorf("%s of %s", h.Kind, h.User)
	}
}

func TestHiveKinds(t *testing.T) {
	for name, want := range map[string]HiveKind{
		"mkorman90+regipy/SYSTEM": HiveSystem, "mkorman90+regipy/SAM": HiveSAM, "EricZimmerman+Registry/SECURITY": HiveSecurity, "mkorman90+regipy/BCD": HiveBCD,
		"mkorman90+regipy/amcache.hve": HiveAmcache, "log2timeline+plaso/NTUSER-WIN7.DAT": HiveUser, "log2timeline+dfwinreg/UsrClass.dat": HiveClasses, "log2timeline+plaso/NTUSER.DAT": HiveUser,
	} {
		data, err := os.ReadFile(corpus.Path(t, "artifacts/registry/"+name))
		if err != nil {
			t.Fatal(err)
		}
		in := hiveInput(t, name, 7, data, nil)
		h, err := OpenHive(in)
		if err != nil {
			t.Fatal(err)
		}
		if h.Kind != want || !LooseHive(want)(path.Base(name), data[:4096]) {
			t.Errorf("%s: %s, want %s", name, h.Kind, want)
		}
	}
	if LooseHive()("x", []byte("MZ")) || !LooseHive()("SYSTEM.DAT", []byte("CREG....")) {
		t.Error("a program is a hive, or a hive of Windows 9x is none")
	}
}

func TestHivePathOf(t *testing.T) {
	seven, xp := &Hive{Profile: "Users/sato"}, &Hive{Profile: "Documents and Settings/sato"}
	for _, c := range []struct {
		h        *Hive
		in, want string
	}{
		{seven, `%AppData%\x\y.exe`, "Users/sato/AppData/Roaming/x/y.exe"}, {xp, `%APPDATA%\y.exe`, "Documents and Settings/sato/Application Data/y.exe"},
		{seven, `%TEMP%\a.exe`, "Users/sato/AppData/Local/Temp/a.exe"}, {xp, `%TEMP%\a.exe`, "Documents and Settings/sato/Local Settings/Temp/a.exe"},
		{seven, `C:\a.exe`, "a.exe"}, {seven, `%OTHER%\a.exe`, ""}, {&Hive{}, `%TEMP%\a.exe`, ""},
	} {
		if got := c.h.PathOf(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.in, got, c.want)
		}
	}
}
