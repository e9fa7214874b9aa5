package report

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/forensics/trace"
)

// hostile is a name as evidence may hold it.
const hostile = "a</script><img src=x onerror=alert(1)>\u202efdp.exe"

func sample() *Report {
	at := event.FromTime(time.Date(2011, 8, 24, 0, 31, 7, 184000000, time.UTC))
	e := &event.Event{ID: event.ID{1, 2, 3}, Exhibit: "pc", Ticks: at, Meaning: "last run", Artifact: "execution/prefetch", Message: hostile + " started",
		Source: "Windows/Prefetch/" + hostile, At: locator.Locator{Exhibit: "pc", Volume: 1, Entry: 48211, Sequence: 3, Offset: 0x80}, Length: 8}
	least, most := int64(0), int64(500)
	c := &trace.Claim{ID: "c1", Rule: "ran", Act: "ran", Part: trace.TheAct, Grade: trace.Proven, Sentence: "a⟨U+202E⟩fdp.exe was run", From: at, To: at, Events: []event.ID{e.ID},
		Entities: []trace.Entity{{Role: "object", Kind: "program", Name: hostile, Path: "Users/" + hostile, Entry: 7, Sequence: 1}}}
	left := &trace.Claim{ID: "c2", Answer: trace.MayHaveLeft, Rule: "left", Act: "sent", Part: trace.TheContent, Grade: trace.Possible, Sentence: "it", From: at, Channel: "network", BytesMin: &least, BytesMax: &most, Events: []event.ID{e.ID}}
	unknown := &trace.Claim{ID: "c3", Answer: trace.Unknown, Rule: "no-volume", Act: "sent", Part: trace.TheAct, Sentence: "bytes", From: at, To: at.Add(time.Hour), Because: hostile}
	return &Report{Case: "case", Tool: "ks-trace test", Machine: &artifact.Machine{Name: hostile, Product: "Windows 7"}, Exhibits: []trace.Exhibit{{ID: "pc", Name: hostile, Format: "E01"}},
		Result: &trace.Result{Claims: []*trace.Claim{c, left, unknown}, From: at, To: at.Add(time.Hour),
			Suspects: []*trace.Suspect{{Path: hostile, Is: true, Reasons: []trace.Given{{Reason: &trace.Reasons[2], Detail: hostile}}}},
			Nodes:    []*trace.Node{{ID: "a", Kind: "suspect", Label: hostile}, {ID: "b", Kind: "host", Label: "198.51.100.23"}},
			Edges:    []*trace.Edge{{From: "a", To: "b", Kind: "connected", Grade: trace.Supported, Claim: "c2"}},
			Ledger:   []trace.Line{{ID: "proxy", Words: "proxy", Exists: true, Spans: []trace.Span{{From: at, To: at.Add(time.Hour), History: coverage.Recording, Verdict: coverage.Covered, How: hostile}}}, {ID: "srum", Words: "SRUM", Why: "not in Windows 7"}}},
		Problems: []problem.Problem{{Source: hostile, Kind: problem.Malformed, Severity: problem.Lost, Found: hostile}},
		Records:  []Record{{Event: e, Bytes: []byte("\x00\xab5\x1d\xf5a\xcc\x01"), Length: 8, ImageOffset: 0x2a41c080, Title: "Prefetch", Card: artifact.Card{Proves: "a start"}}},
		Table:    Table{Rows: []Row{{e.ID, at, e.Artifact, "executed", e.Message, true}}, Left: 3},
		Hours:    []Hour{{Begin: at - at%36000000000, All: 5, Hot: 1}}}
}

func page(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := sample().HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPageIsSafe: no text of evidence becomes markup, no direction mark is left
// bare, nothing is fetched, and the policy allows the page's own script alone.
func TestPageIsSafe(t *testing.T) {
	p := page(t)
	for _, bad := range []string{"<img", "\u202e", "http://", "https://", "onerror=alert(1)>"} {
		if strings.Contains(p, bad) {
			i := strings.Index(p, bad)
			t.Errorf("%q stands in the page: …%q…", bad, p[max(0, i-60):min(len(p), i+60)])
		}
	}
	if n := strings.Count(p, "<script"); n != 2 {
		t.Errorf("%d scripts", n)
	}
	scripts := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindStringSubmatch(p)
	if scripts == nil {
		t.Fatal("no script")
	}
	sum := sha256.Sum256([]byte(scripts[1]))
	if want := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(html.UnescapeString(p), want) {
		t.Errorf("the policy does not name the script's digest %s", want)
	}
	if strings.Contains(pageJS, "innerHTML") || strings.Contains(pageJS, "eval(") {
		t.Error("the script makes markup out of text")
	}
}

func TestPageShowsRecordsDownToBytes(t *testing.T) {
	p := html.UnescapeString(page(t))
	for _, want := range []string{"a⟨U+202E⟩fdp.exe was run", "00000080  00 ab 35 1d f5 61 cc 01", "image offset 0x2a41c080", "href=\"#c-c1\"", "href=\"#r-01020300000000000000000000000000\"", "PROVEN", "CANNOT KNOW", "not in Windows 7"} {
		if !strings.Contains(p, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestTableData(t *testing.T) {
	s, err := sample().tableData()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		N int
		T []int64
		M []string
		H []int
	}
	if err := json.Unmarshal(plain, &d); err != nil || d.N != 1 || d.T[0] != 1314145867184 || d.H[0] != 1 || strings.Contains(d.M[0], "\u202e") {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := sample().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var j map[string]any
	if err := json.Unmarshal(b.Bytes(), &j); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"schema", "machines", "touched", "may_have_left", "cannot_know", "suspects", "context", "coverage", "problems"} {
		if j[key] == nil {
			t.Errorf("trace.json lacks %s", key)
		}
	}
	c := j["may_have_left"].([]any)[0].(map[string]any)
	for _, key := range []string{"id", "grade", "sentence", "rule", "from", "entities", "events", "channel", "bytes_min", "bytes_max"} {
		if _, ok := c[key]; !ok {
			t.Errorf("a transfer lacks %s", key)
		}
	}
	if _, ok := j["touched"].([]any)[0].(map[string]any)["bytes_min"]; ok {
		t.Error("a claim that is no transfer has bytes")
	}
}

func TestCut(t *testing.T) {
	for in, want := range map[string]string{"short": "short", "会議資料会議資料会議": "会議資…", "ab⟨U+202E⟩cdefghij": "ab…"} {
		if got := cut(in, 8); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestHexDump(t *testing.T) {
	got := hexDump([]byte("0123456789abcdefZ\x1b"), 0x10)
	want := "00000010  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef\n00000020  5a 1b                                             Z.\n"
	if got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
}
