package network

import (
	"os"
	"slices"
	"strings"
	"testing"

	"kanshiki/fixtures/corpus"
	"kanshiki/fixtures/esefile"
	"kanshiki/fixtures/hivefile"
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/artifacttest"
	"kanshiki/forensics/event"
)

func srumSample(t testing.TB) artifacttest.Source {
	t.Helper()
	b, err := os.ReadFile(corpus.Path(t, "artifacts/ese/Velocidex+go-ese/SRUM/SRUDB.dat"))
	if err != nil {
		t.Fatal(err)
	}
	return artifacttest.Source{Path: "Windows/System32/sru/SRUDB.dat", Data: b,
		Machine: &artifact.Machine{Users: map[string]artifact.User{"S-1-5-21-3442094626-3791537600-2028639842-1001": {Name: "user"}}}}
}

// srumRead reads the corpus's database; the suite runs on a small one below.
func srumRead(t *testing.T, spec artifact.Spec) artifacttest.Result {
	t.Helper()
	src := srumSample(t)
	r := artifacttest.Read(spec, src)
	if r.Err != nil || !r.Counts.Reconciles() {
		t.Fatal(r.Err, r.Counts)
	}
	for i := range r.Events {
		artifacttest.Event(t, spec, &r.Events[i], int64(len(src.Data)))
	}
	return r
}

// srumMade is a database of a few records: the interface was up from 07:54,
// the second hour's record is two hours late, one program has no name, one is
// not in the table of names.
func srumMade(state uint32) artifacttest.Source {
	c := func(name string, kind uint32) esefile.Column { return esefile.Column{Name: name, Type: kind} }
	head := []esefile.Column{c("AutoIncId", esefile.Long), c("TimeStamp", esefile.DateTime), c("AppId", esefile.Long), c("UserId", esefile.Long)}
	with := func(more ...esefile.Column) []esefile.Column { return append(slices.Clone(head), more...) }
	text := func(s string) []byte { return append(hivefile.UTF16(s), 0, 0) }
	sid := []byte{1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0xe9, 3, 0, 0}
	hour := func(h float64) float64 { return 44476 + h/24 }
	const luid = 6 << 48
	return artifacttest.Source{Path: "Windows/System32/sru/SRUDB.dat",
		Machine: &artifact.Machine{Users: map[string]artifact.User{"S-1-5-21-1-2-3-1001": {Name: "sato"}}},
		Data: esefile.Database(state,
			esefile.Table{Name: "SruDbIdMapTable", Columns: []esefile.Column{c("IdType", esefile.UnsignedByte), c("IdIndex", esefile.Long), c("IdBlob", esefile.LongBinary)},
				Rows: [][]any{{0, 1, nil}, {3, 2, sid}, {0, 3, text(`\Device\HarddiskVolume3\Users\sato\AppData\Local\Temp\upd.exe`)}, {1, 4, text("DoSvc")}}},
			esefile.Table{Name: srumNetwork, Columns: with(c("InterfaceLuid", esefile.LongLong), c("L2ProfileId", esefile.Long), c("L2ProfileFlags", esefile.Long), c("BytesSent", esefile.LongLong), c("BytesRecvd", esefile.LongLong)),
				Rows: [][]any{{1, hour(9), 3, 2, int64(luid), 0, 0, 1000, 50}, {2, hour(9), 1, 2, int64(luid), 0, 0, 7, 8}, {3, hour(11), 3, 2, int64(luid), 0, 0, int64(5000000000), 9}, {4, hour(11), 99, 2, int64(luid), 0, 0, 1, 1}, {5, 0.0, 4, 2, 0, 0, 0, 1, 1}}},
			esefile.Table{Name: srumConnectivity, Columns: with(c("InterfaceLuid", esefile.LongLong), c("L2ProfileId", esefile.Long), c("ConnectedTime", esefile.UnsignedLong), c("ConnectStartTime", esefile.LongLong), c("L2ProfileFlags", esefile.Long)),
				Rows: [][]any{{1, hour(9), 1, 2, int64(luid), 0, 3900, int64(132780668556499330), 0}}},
			esefile.Table{Name: srumUsage, Columns: with(c("ForegroundCycleTime", esefile.LongLong), c("ForegroundBytesRead", esefile.LongLong), c("BackgroundBytesWritten", esefile.LongLong)),
				Rows: [][]any{{1, hour(9), 3, 2, 12345, 4096, 8192}}},
			esefile.Table{Name: srumTimeline, Columns: with(c("EndTime", esefile.LongLong), c("DurationMS", esefile.UnsignedLong), c("InFocusS", esefile.UnsignedLong)),
				Rows: [][]any{{1, hour(9), 3, 2, int64(132780668556499330), 61000, 0x2a2a2a2a}}},
			esefile.Table{Name: "{FEE4E14F-02A9-4550-B5CE-5FA2DA202E37}", Columns: head})}
}

func TestSRUMMade(t *testing.T) {
	r := artifacttest.Run(t, SRUM, srumMade(esefile.Clean))
	upd := `\Device\HarddiskVolume3\Users\sato\AppData\Local\Temp\upd.exe`
	want := `2021-10-07T09:00:00.000000Z  recorded  transferred  ` + upd + `: 1000 bytes sent, 50 received until 2021-10-07T09:00:00Z (since when is not known)
2021-10-07T09:00:00.000000Z  recorded  transferred  no program named: 7 bytes sent, 8 received until 2021-10-07T09:00:00Z (since when is not known)
2021-10-07T11:00:00.000000Z  recorded  transferred  ` + upd + `: 5000000000 bytes sent, 9 received between 2021-10-07T09:00:00Z and 2021-10-07T11:00:00Z
2021-10-07T11:00:00.000000Z  recorded  transferred  a program whose name is not kept (99): 1 bytes sent, 1 received between 2021-10-07T09:00:00Z and 2021-10-07T11:00:00Z
  recorded  transferred  service DoSvc: 1 bytes sent, 1 received at a time that is not set
2021-10-07T07:54:15.6499330Z  interface connected  connected  interface 0x6000000000000 (ethernet) connected for 3900 seconds, as of 2021-10-07T09:00:00Z
`
	if got := artifacttest.Text(r.Events); got != want {
		t.Errorf("%s", got)
	}
	e := r.Events[2]
	if e.Program != upd || e.Path != "Users/sato/AppData/Local/Temp/upd.exe" || e.User != "sato" || *e.BytesSent != 5000000000 || fieldOf(&e, "since") != "2021-10-07T09:00:00.000000Z" || fieldOf(&e, "minutes") != "120" {
		t.Errorf("%+v", e)
	}
	if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Found, "1 numbers") {
		t.Errorf("%v", r.Problems)
	}
	if r := artifacttest.Read(SRUM, srumMade(esefile.Dirty)); len(r.Problems) != 2 || len(r.Events) != 6 {
		t.Errorf("dirty: %v", r.Problems)
	}
	apps := artifacttest.Run(t, SRUMApps, srumMade(esefile.Clean))
	want = `2021-10-07T09:00:00.000000Z  recorded  executed  ` + upd + ` ran until 2021-10-07T09:00:00Z (since when is not known); 4096 bytes read from disk, 8192 written
2021-10-07T07:54:15.6499330Z  active until  executed  ` + upd + ` was active for 61 seconds until 2021-10-07T07:54:15Z
`
	if got := artifacttest.Text(apps.Events); got != want || fieldOf(&apps.Events[1], "in_focus_s") != "" {
		t.Errorf("%s", got)
	}
}

// TestSRUM: sums, times and steps by esedbexport. (It prints 13:06:59.231 where
// the database has 44482.546527777777 days, which is 13:07:00.)
func TestSRUM(t *testing.T) {
	r := srumRead(t, SRUM)
	var sent, received, empty int64
	rows, connections := 0, 0
	times, steps := map[event.Ticks]bool{}, map[string]string{}
	for i := range r.Events {
		e := &r.Events[i]
		if e.Action == event.Connected {
			connections++
			continue
		}
		rows++
		sent, received = sent+*e.BytesSent, received+*e.BytesReceived
		if fieldOf(e, "app_kind") == "empty" {
			empty += *e.BytesSent
		}
		times[e.Ticks] = true
		steps[e.Ticks.Format(event.Milli)] = fieldOf(e, "minutes")
	}
	if rows != 255 || connections != 17 || sent != 247947664 || received != 7570931457 || empty != 124175296 || len(times) != 14 {
		t.Errorf("%d rows, %d connections, %d sent, %d received, %d on no name, %d times", rows, connections, sent, received, empty, len(times))
	}
	for at, want := range map[string]string{"2021-10-07T08:54:00.000Z": "", "2021-10-07T09:56:00.000Z": "62", "2021-10-07T16:28:00.000Z": "46",
		"2021-10-08T00:53:00.000Z": "505", "2021-10-13T12:58:00.000Z": "7925", "2021-10-13T13:07:00.000Z": "9"} {
		if got, ok := steps[at]; !ok || got != want {
			t.Errorf("%s: %q minutes, want %q in %v", at, got, want, steps)
		}
	}
	has := artifacttest.Text(r.Events)
	for _, want := range []string{
		"2021-10-07T08:54:00.000000Z  recorded  transferred  service DiagTrack: 21525 bytes sent, 61533 received until 2021-10-07T08:54:00Z (since when is not known)\n",
		"2021-10-07T07:54:15.6499330Z  interface connected  connected  interface 0x6008001000000 (ethernet) connected for 3644 seconds, as of 2021-10-07T08:55:00Z\n",
	} {
		if !strings.Contains(has, want) {
			t.Errorf("no line %s", want)
		}
	}
	if f := r.Facts[0]; f.From.Format(event.Second) != "2021-10-07T08:54:00Z" || f.To.Format(event.Second) != "2021-10-13T15:11:00Z" || !strings.Contains(f.How, "longest pause 7925 minutes") {
		t.Errorf("%+v", f)
	}
	if len(r.Problems) > 0 || r.Counts.Decoded != 272 {
		t.Errorf("%v %+v", r.Problems, r.Counts)
	}
}

func fieldOf(e *event.Event, name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Text()
		}
	}
	return ""
}

// TestSRUMApps: rows by esedbexport.
func TestSRUMApps(t *testing.T) {
	r := srumRead(t, SRUMApps)
	usage, timeline, user := 0, 0, 0
	for i := range r.Events {
		e := &r.Events[i]
		if e.Meaning == "recorded" {
			usage++
		} else {
			timeline++
		}
		if e.User == "user" {
			user++
		}
		if e.Ticks == 0 || e.Action != event.Executed {
			t.Errorf("%+v", e)
		}
	}
	if usage != 1778 || timeline != 4038 || user == 0 || len(r.Problems) > 0 {
		t.Errorf("%d of usage, %d of timeline, %d of the user, %v", usage, timeline, user, r.Problems)
	}
	if e := r.Events[0]; e.Ticks.Format(event.Second) != "2021-10-07T08:55:00Z" || fieldOf(&e, "foreground_cycles") != "31376492830" || fieldOf(&e, "foreground_bytes_read") != "195990016" {
		t.Errorf("%+v", e)
	}
}

func TestSRUMNames(t *testing.T) {
	for _, c := range []struct {
		kind         int64
		text         string
		program, say string
		path, pack   string
	}{
		{0, "", "", "no program named", "", ""},
		{0, `\Device\HarddiskVolume3\Program Files\Windows Defender\MsMpEng.exe`, `\Device\HarddiskVolume3\Program Files\Windows Defender\MsMpEng.exe`, `\Device\HarddiskVolume3\Program Files\Windows Defender\MsMpEng.exe`, "Program Files/Windows Defender/MsMpEng.exe", ""},
		{0, "!!svchost.exe!2037/07/18:06:45:20!15eca![wsappx] [ClipSVC]", "svchost.exe", "svchost.exe [wsappx] [ClipSVC]", "", ""},
		{0, "!!x", "!!x", "!!x", "", ""},
		{1, "DoSvc", "", "service DoSvc", "", ""},
		{2, "Microsoft.SkypeApp_14.53.77.0_x64__kzf8qxf38zg5c!App!Skype.exe!2019/09/26:20:41:24!0!", "Skype.exe", "", "", "Microsoft.SkypeApp_14.53.77.0_x64__kzf8qxf38zg5c"},
	} {
		a := parseSRUMApp(srumID{kind: c.kind, text: c.text, present: true})
		if a.program != c.program || c.say != "" && a.said != c.say || a.path != c.path || a.pack != c.pack {
			t.Errorf("%q: %+v", c.text, a)
		}
	}
	if got := ole(44476.37083333333).Format(event.Micro); got != "2021-10-07T08:54:00.000000Z" {
		t.Error(got)
	}
	if ole(-1) != 0 || ole(0) != 0 || ole(1e300) != 0 {
		t.Error("impossible days")
	}
}

func BenchmarkSRUM(b *testing.B) {
	src := srumSample(b)
	b.SetBytes(int64(len(src.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if r := artifacttest.Read(SRUM, src); r.Err != nil {
			b.Fatal(r.Err)
		}
	}
}
