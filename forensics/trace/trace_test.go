package trace

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
)

func trace(t *testing.T, m *maker) *Result {
	t.Helper()
	r, err := Trace(context.Background(), m.w)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// graded is "rule object by actor" → grade, the strongest of each.
func graded(r *Result) map[string]Grade {
	out := map[string]Grade{}
	for _, c := range r.Claims {
		k := key(c)
		out[k] = max(out[k], c.Grade)
	}
	return out
}

func key(c *Claim) string {
	var names []string
	for _, e := range c.Entities {
		if e.Kind != "document" && e.Role != "about" {
			names = append(names, e.Role+"="+firstNonEmpty(e.Path, e.Name))
		}
	}
	return c.Rule + " " + strings.Join(names, " ")
}

func TestStory(t *testing.T) {
	r := trace(t, story("6.1", "Windows 7 Professional"))
	got := graded(r)
	for k, want := range map[string]Grade{
		"mail-received object=Users/sato/Desktop/mail.msg":                    Proven,
		"delivered object=" + zipPath + " source=Users/sato/Desktop/mail.msg": Proven,
		"unpacked object=" + lure + " source=" + zipPath:                      Supported,
		"ran object=" + lure:                              Proven,
		"wrote object=" + msupd + " actor=" + lure:        Supported,
		"forged object=" + msupd:                          Supported,
		"ran object=" + msupd:                             Proven,
		"packed-by object=" + rarPath + " actor=" + msupd: Possible,
		"deleted object=" + rarPath:                       Proven,
		"cleared object=Security":                         Proven,
		"left object=" + rarPath:                          Possible,
		"credentials object=kanri object=sato":            Possible,
		"no-volume ":                                      CannotKnow,
	} {
		if g, ok := got[k]; !ok || g != want {
			t.Errorf("%s: %v (there: %v), want %s", k, g, ok, want)
		}
	}
	starts, set := 0, 0
	packed := map[Grade]int{}
	for _, c := range r.Claims {
		switch c.Rule {
		case "starts":
			starts++
			if c.Grade != Proven {
				t.Errorf("%s is %s", c.Sentence, c.Grade)
			}
		case "set-start":
			set++
			if c.Grade != Supported || c.Entities[1].Path != lure {
				t.Errorf("%s is %s", c.Sentence, c.Grade)
			}
		case "packed":
			for _, e := range c.Entities {
				if e.Kind == "document" {
					packed[c.Grade]++
				}
			}
		}
		if len(c.Events) == 0 && c.Answer != Unknown {
			t.Errorf("no record carries: %s", c.Sentence)
		}
	}
	if starts != 2 || set != 2 || packed[Proven] != 4 || packed[Supported] != 1 {
		t.Errorf("%d starts, %d set, packed %v", starts, set, packed)
	}
	var names []string
	for _, s := range r.Suspects {
		names = append(names, s.Path)
	}
	if !slices.Equal(names, []string{msupd, lure}) {
		t.Errorf("suspects %q", names)
	}
}

// TestNothingInnocentIsBlamed looks at every claim for what the innocent own.
func TestNothingInnocentIsBlamed(t *testing.T) {
	m := story("6.1", "Windows 7 Professional")
	r := trace(t, m)
	for _, c := range r.Claims {
		for _, e := range c.Entities {
			for _, name := range []string{"chat.exe", "旅行.zip", "setup.exe", "Documents/tool/", "PSEXESVC", "p1.jpg"} {
				if strings.Contains(e.Path, name) && c.Grade >= Supported && c.Answer != Unknown {
					t.Errorf("%s: %s", c.Grade, c.Sentence)
				}
			}
		}
	}
	var considered []string
	for _, s := range r.Considered {
		considered = append(considered, s.Path)
	}
	if !slices.Contains(considered, "Users/sato/AppData/Local/Chat/chat.exe") {
		t.Errorf("the chat client was looked at and is not shown: %q", considered)
	}
}

// TestOnlyTheInnocent: without the lure nothing reaches the threshold.
func TestOnlyTheInnocent(t *testing.T) {
	m := newMaker("6.1", "Windows 7 Professional")
	m.innocent()
	r := trace(t, m)
	for _, c := range r.Claims {
		if c.Answer != Unknown {
			t.Errorf("%s: %s", c.Grade, c.Sentence)
		}
	}
	if len(r.Suspects) != 0 || len(r.Claims) == 0 {
		t.Errorf("%d suspects, %d claims", len(r.Suspects), len(r.Claims))
	}
}

func TestProxyGivesAnInterval(t *testing.T) {
	m := story("6.1", "Windows 7 Professional")
	m.sendThroughProxy(41, 100)
	r := trace(t, m)
	var sent, volume *Claim
	for _, c := range r.Claims {
		switch c.Rule {
		case "sent-bytes":
			sent = c
		case "no-volume":
			volume = c
		}
	}
	if sent == nil || sent.BytesMin == nil || *sent.BytesMin != 41*95 || *sent.BytesMax != 4100 || sent.Grade != Supported {
		t.Fatalf("sent: %+v", sent)
	}
	if volume != nil {
		t.Errorf("with a proxy's log: %s", volume.Sentence)
	}
	got := graded(r)
	if got["connected object="+c2+" actor="+msupd] != Supported || got["left object="+rarPath+" place="+c2] != Supported {
		t.Errorf("%v", got)
	}
}

func TestTooFewBytes(t *testing.T) {
	m := story("6.1", "Windows 7 Professional")
	m.sendThroughProxy(4, 100)
	for _, c := range trace(t, m).Claims {
		if c.Rule == "left" {
			t.Errorf("400 bytes held an archive of 4000: %s", c.Sentence)
		}
		if c.Rule == "too-few" && !strings.Contains(c.Sentence, "may still have left") {
			t.Error(c.Sentence)
		}
	}
}

func TestWithoutProxyNoInterval(t *testing.T) {
	for _, c := range trace(t, story("6.1", "Windows 7 Professional")).Claims {
		if c.BytesMax != nil || c.BytesMin != nil && *c.BytesMin != 0 {
			t.Errorf("an interval without a witness: %s", c.Sentence)
		}
	}
}

func (m *maker) sendThroughProxy(n int, each int64) {
	for i := range n {
		sent := each
		e := m.event(event.Event{Artifact: "network/proxy", Action: event.Connected, Meaning: "request ended", Ticks: clock(2, "17:31:00").Add(time.Duration(i) * 30 * time.Second),
			Address: c2, Port: 443, BytesSent: &sent, Message: fmt.Sprint("CONNECT ", i)})
		e.At.Volume = 0
	}
	m.cover("network/proxy", coverage.Recording, coverage.Read, clock(-5, "00:00:00"), clock(9, "00:00:00"))
}

// TestRemoval: taking records away never makes a claim stronger.
func TestRemoval(t *testing.T) {
	build := func() *maker {
		m := story("6.1", "Windows 7 Professional")
		m.sendThroughProxy(41, 100)
		return m
	}
	whole := trace(t, build())
	before := graded(whole)
	carrying := map[event.ID]bool{}
	for _, c := range whole.Claims {
		for _, id := range c.Events {
			carrying[id] = true
		}
	}
	check := func(what string, keep func(*event.Event) bool) {
		t.Helper()
		m := build()
		m.w.Records = slices.DeleteFunc(m.w.Records, func(e *event.Event) bool { return !keep(e) })
		for k, g := range graded(trace(t, m)) {
			if old, ok := before[k]; ok && g > old {
				t.Errorf("without %s: %s rose from %s to %s", what, k, old, g)
			} else if !ok && g >= Supported {
				t.Errorf("without %s there is now: %s %s", what, g, k)
			}
		}
	}
	for id := range carrying {
		check("record "+id.String()[:8], func(e *event.Event) bool { return e.ID != id })
	}
	n := len(build().w.Records)
	r := rand.New(rand.NewPCG(7, 7))
	ids := build().w.Records
	for range 200 {
		id := ids[r.IntN(n)].ID
		check("a record by seed", func(e *event.Event) bool { return e.ID != id })
	}
	for _, source := range []string{"execution/prefetch", "execution/userassist", "filesystem/usn", "mail/msg", "network/proxy", "persistence/task", "eventlog/evtx"} {
		m := build()
		m.w.Records = slices.DeleteFunc(m.w.Records, func(e *event.Event) bool { return e.Artifact == source })
		if source == "network/proxy" {
			m.w.Coverage = nil
		}
		after := trace(t, m)
		if len(after.Claims) >= len(whole.Claims) && sameGrades(graded(after), before) {
			t.Errorf("without %s nothing fell", source)
		}
	}
}

func sameGrades(a, b map[string]Grade) bool {
	for k, g := range b {
		if a[k] != g {
			return false
		}
	}
	return len(a) == len(b)
}

func TestShuffle(t *testing.T) {
	want := fmt.Sprint(sentences(trace(t, story("6.1", "Windows 7 Professional"))))
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		m := story("6.1", "Windows 7 Professional")
		r.Shuffle(len(m.w.Records), func(i, j int) { m.w.Records[i], m.w.Records[j] = m.w.Records[j], m.w.Records[i] })
		r.Shuffle(len(m.w.Files), func(i, j int) { m.w.Files[i], m.w.Files[j] = m.w.Files[j], m.w.Files[i] })
		if got := fmt.Sprint(sentences(trace(t, m))); got != want {
			t.Fatalf("another order, another answer:\n%s\n%s", got, want)
		}
	}
}

func sentences(r *Result) []string {
	var out []string
	for _, c := range r.Claims {
		if c.Rule == "documents" { // more documents are more documents in reach
			continue
		}
		out = append(out, c.ID, c.Grade.String(), c.Sentence, c.From.String(), fmt.Sprint(c.Events))
	}
	return out
}

// TestClockShift: a clock that is set two hours forward, with the record of the
// change, keeps order and edges.
func TestClockShift(t *testing.T) {
	want := edges(trace(t, story("6.1", "Windows 7 Professional")))
	m := story("6.1", "Windows 7 Professional")
	for _, e := range m.w.Records {
		if e.Ticks > clock(1, "12:00:00") {
			e.Ticks = e.Ticks.Add(2 * time.Hour)
		}
	}
	for _, f := range m.w.Files {
		if f.FN.Born > clock(1, "12:00:00") {
			f.FN.Born, f.SI.Born = f.FN.Born.Add(2*time.Hour), f.SI.Born.Add(2*time.Hour)
		}
	}
	m.event(event.Event{Artifact: "eventlog/evtx", Action: event.TimeChanged, Meaning: "record written", Ticks: clock(1, "12:00:00")})
	if got := edges(trace(t, m)); !slices.Equal(got, want) {
		t.Errorf("edges\n%q\nwant\n%q", got, want)
	}
}

func edges(r *Result) []string {
	var out []string
	for _, e := range r.Edges {
		out = append(out, fmt.Sprint(e.From, " ", e.Kind, " ", e.To, " ", e.Grade))
	}
	slices.Sort(out)
	return out
}

// TestNoise: ten thousand innocent files and a year of noise change nothing.
func TestNoise(t *testing.T) {
	want := sentences(trace(t, story("6.1", "Windows 7 Professional")))
	m := story("6.1", "Windows 7 Professional")
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 10000 {
		ext := []string{"doc", "exe", "dll", "zip", "txt", "jpg"}[r.IntN(6)]
		dir := []string{"Users/sato/Documents", "Program Files/Tool", "Users/kanri/Desktop", "Windows/System32"}[r.IntN(4)]
		path := fmt.Sprintf("%s/d%d/noise%d.%s", dir, r.IntN(300), i, ext)
		m.file(path, fmt.Sprint("noise ", i), clock(-r.IntN(365)-1, "08:00:00")+event.Ticks(r.IntN(1e9)))
		if ext == "exe" || ext == "dll" {
			m.program(path, SurelyUnsigned)
			if r.IntN(10) == 0 {
				m.ran(path, clock(-r.IntN(300), "09:00:00"))
			}
		}
	}
	for i := range 20000 {
		m.event(event.Event{Artifact: "browser/firefox", Action: event.ReadOrOpened, Meaning: "visited", Ticks: clock(-r.IntN(365), "05:00:00") + event.Ticks(i),
			URL: fmt.Sprintf("http://site%d.example/%d", r.IntN(500), i)})
	}
	got := sentences(trace(t, m))
	if !slices.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("noise changed the answer: %q, was %q", got[i], want[i])
			}
		}
		t.Fatalf("%d parts, were %d", len(got), len(want))
	}
}

// TestEras: the same story on other layouts differs where the witnesses do.
func TestEras(t *testing.T) {
	for _, c := range []struct {
		version, product string
		missing          []string // witnesses that do not exist there
		want, not        string   // rule that must and must not be there
	}{
		{"5.1", "Microsoft Windows XP", []string{"srum", "wfp", "dns", "bits", "smbclient", "share", "print"}, "no-volume", "volume-not-kept"},
		{"6.1", "Windows 7 Professional", []string{"srum", "dns", "smbclient"}, "no-volume", "volume-not-kept"},
		{"10.0", "Windows 10 Pro", nil, "volume-not-kept", "no-volume"},
	} {
		r := trace(t, story(c.version, c.product))
		var missing []string
		for _, l := range r.Ledger {
			if !l.Exists {
				missing = append(missing, l.ID)
			}
		}
		if !slices.Equal(missing, c.missing) {
			t.Errorf("%s: missing %q, want %q", c.product, missing, c.missing)
		}
		rules := map[string]bool{}
		for _, x := range r.Claims {
			rules[x.Rule] = true
		}
		if !rules[c.want] || rules[c.not] {
			t.Errorf("%s: %v", c.product, rules)
		}
	}
}

// TestForbiddenWords: no sentence may say more than the records carry.
func TestForbiddenWords(t *testing.T) {
	for _, r := range Rules {
		for _, w := range []string{"no leak", "clean", "safe", "only", " all "} {
			if strings.Contains(strings.ToLower(" "+r.EN+" "), w) {
				t.Errorf("%s says %q", r.ID, w)
			}
		}
		if r.JA == "" {
			t.Errorf("%s has no Japanese words", r.ID)
		}
	}
}

// TestExaminer: what the examiner adds and clears, by path, name, digest and
// host, decides, and is said.
func TestExaminer(t *testing.T) {
	chat := "Users/sato/AppData/Local/Chat/chat.exe"
	sum, err := story("6.1", "Windows 7").c.Digest(context.Background(), &File{Path: chat})
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{`C:\Users\sato\AppData\Local\Chat\chat.exe`, "CHAT.EXE", sum.SHA256, "chat.example"} {
		m := story("6.1", "Windows 7 Professional")
		m.w.Examiner = []Mark{{What: what, Reason: "seen elsewhere"}}
		if r := trace(t, m); !slices.ContainsFunc(r.Suspects, func(s *Suspect) bool { return s.Path == chat }) {
			t.Errorf("%s does not make it a suspect", what)
		}
	}
	m := story("6.1", "Windows 7 Professional")
	m.w.Examiner = []Mark{{Innocent: true, What: "msupd.exe", Reason: "a drill"}}
	r := trace(t, m)
	if slices.ContainsFunc(r.Suspects, func(s *Suspect) bool { return s.Path == msupd }) {
		t.Error("what was cleared is suspected")
	}
	if !slices.ContainsFunc(r.Considered, func(s *Suspect) bool { return s.Path == msupd && s.Cleared == "a drill" }) {
		t.Error("what was cleared is not shown as such")
	}
}

// TestUntrustedSource: records out of a span in which their log's clock was
// changed carry less.
func TestUntrustedSource(t *testing.T) {
	m := story("6.1", "Windows 7 Professional")
	for _, e := range m.w.Records {
		if e.Action == event.Cleared {
			e.Source = "Windows/System32/winevt/Logs/Security.evtx"
		}
	}
	m.w.Coverage = append(m.w.Coverage, coverage.Fact{Artifact: "eventlog/evtx", At: locator.Locator{Exhibit: "pc", Volume: 1}, Source: "Windows/System32/winevt/Logs/Security.evtx",
		From: clock(4, "19:00:00"), To: clock(4, "20:00:00"), History: coverage.Recording, State: coverage.Read, Untrusted: "the clock was set back"})
	for _, c := range trace(t, m).Claims {
		if c.Rule == "cleared" && (c.Grade != Supported || len(c.Lowered) != 1) {
			t.Errorf("%s: %s %q", c.Sentence, c.Grade, c.Lowered)
		}
	}
}

// TestRoamingProfile: a shell record of a roaming account may be from another
// machine.
func TestRoamingProfile(t *testing.T) {
	m := story("6.1", "Windows 7 Professional")
	u := m.w.Machine.Users[sato]
	u.Roaming = true
	m.w.Machine.Users[sato] = u
	m.w.Records = slices.DeleteFunc(m.w.Records, func(e *event.Event) bool {
		return e.Artifact == "execution/prefetch" && strings.Contains(e.Program, "FDP")
	})
	for _, c := range trace(t, m).Claims {
		if c.Rule == "ran" && c.Entities[0].Path == lure && (c.Grade != Possible || len(c.Lowered) != 1) {
			t.Errorf("%s: %s %q", c.Sentence, c.Grade, c.Lowered)
		}
	}
}

// TestOwnCount: SRUM's hours that lie in the span partly, and bytes under no
// name, widen the interval; a proxy that counted more than the machine is a
// conflict.
func TestOwnCount(t *testing.T) {
	build := func() *maker {
		m := story("10.0", "Windows 10 Pro")
		row := func(program string, since, at event.Ticks, sent int64) {
			m.event(event.Event{Artifact: "network/srum", Action: event.Transferred, Meaning: "recorded", Ticks: at, Program: program, BytesSent: &sent, Message: fmt.Sprint(at, sent),
				Fields: []event.Field{event.Str("since", since.Format(event.Micro)), event.Str("app", program)}})
		}
		device := `\device\harddiskvolume1\` + strings.ReplaceAll(strings.ToLower(msupd), "/", `\`)
		row(device, clock(2, "17:25:00"), clock(2, "17:50:00"), 3000)  // inside
		row(device, clock(2, "16:50:00"), clock(2, "17:25:00"), 500)   // partly
		row("", clock(2, "17:25:00"), clock(2, "17:50:00"), 70)        // no name
		row("other", clock(2, "17:25:00"), clock(2, "17:50:00"), 9000) // another program
		return m
	}
	found := false
	for _, c := range trace(t, build()).Claims {
		if c.Rule == "sent-own" && c.Entities[0].Path == msupd {
			found = true
			if *c.BytesMin != 3000 || *c.BytesMax != 3570 || c.Grade != Supported {
				t.Errorf("%d to %d, %s", *c.BytesMin, *c.BytesMax, c.Grade)
			}
		}
		if c.Rule == "conflict" {
			t.Error(c.Sentence)
		}
	}
	if !found {
		t.Error("the machine's own count is not said")
	}
	m := build()
	m.sendThroughProxy(41, 100)
	for _, c := range trace(t, m).Claims {
		if c.Rule == "conflict" {
			return
		}
	}
	t.Error("3,895 bytes through the proxy, at most 3,570 by the machine: no conflict is said")
}
