package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kanshiki/cmd/internal/cli"
	"kanshiki/cmd/internal/clitest"
	"kanshiki/forensics/program"
	"kanshiki/forensics/trace"
)

func TestMain(m *testing.M) {
	program.Serve()
	clitest.Become(main)
	os.Exit(m.Run())
}

// truth is what the builder of the fixture says an examiner must conclude.
type truth struct {
	Touched []struct {
		ID, Kind, Path, Act, Actor, Target, Source, Account string
		Time                                                string
		Grade                                               string   `json:"act_grade"`
		Also                                                []string `json:"act_grade_also"`
		ActorGrade                                          string   `json:"actor_grade"`
		Key                                                 string   `json:"registry_key"`
		Value                                               string   `json:"registry_value"`
		Hive                                                string   `json:"hive"`
	} `json:"touched"`
	Left []struct {
		ID, Channel, Program, Host, Object, Device, Grade string
		Accounts                                          []string `json:"accounts"`
		Min                                               *int64   `json:"bytes_min"`
		Max                                               *int64   `json:"bytes_max"`
		True                                              *int64   `json:"true_bytes"`
		Requests                                          int      `json:"requests"`
		Connected                                         string   `json:"connected_grade"`
		ObjectGrade                                       string   `json:"object_grade"`
		ObjectAlso                                        []string `json:"object_grade_also"`
	} `json:"left"`
	Unknown []struct {
		ID, What, From, To, State string
	} `json:"unknown"`
	Innocent []struct {
		Path, Key, Value string
		RegKey           string `json:"registry_key"`
		RegValue         string `json:"registry_value"`
	} `json:"innocent"`
	Suspects []string `json:"suspects"`
}

// said is trace.json.
type said struct {
	Touched  []claim `json:"touched"`
	Left     []claim `json:"may_have_left"`
	Unknown  []claim `json:"cannot_know"`
	Suspects []struct {
		Path string `json:"path"`
	} `json:"suspects"`
}

type claim struct {
	Rule, Act, Part, Grade, Sentence string
	From, To                         *string
	Entities                         []struct {
		Role, Kind, Name, Path string
		Key                    string `json:"registry_key"`
		Value                  string `json:"registry_value"`
	}
	Events []string
	Min    *int64 `json:"bytes_min"`
	Max    *int64 `json:"bytes_max"`
}

// fixture is the folder of a built fixture: the stored one, or another seed's.
func fixture(t *testing.T) string {
	if dir := os.Getenv("KANSHIKI_FIXTURE"); dir != "" {
		return dir
	}
	return "../../fixtures/quarantined-pc"
}

func tell(t *testing.T, dir string, evidence ...string) said {
	t.Helper()
	args := []string{"--case", filepath.Join(t.TempDir(), "case"), "--quiet", "--progress", "none"}
	for _, e := range evidence {
		args = append(args, filepath.Join(dir, e))
	}
	var errs bytes.Buffer
	err := run(context.Background(), args, io.Discard, &errs)
	if code := cli.Code(err); code != 0 && code != 3 {
		t.Fatalf("exit %d: %v %s", code, err, errs.String())
	}
	var s said
	read(t, filepath.Join(args[1], "reports", "trace.json"), &s)
	return s
}

func read(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func TestTruth(t *testing.T) { check(t, "truth.json", "quarantined-pc.E01") }
func TestTruthWithProxy(t *testing.T) {
	check(t, "truth-with-proxy.json", "quarantined-pc.E01", "proxy.log")
}

func check(t *testing.T, file string, evidence ...string) {
	dir := fixture(t)
	var want truth
	read(t, filepath.Join(dir, file), &want)
	got := tell(t, dir, evidence...)
	checkTouched(t, &want, &got)
	checkInnocent(t, &want, &got)
	checkLeft(t, &want, &got)
	checkUnknown(t, &want, &got)
	var suspects []string
	for _, s := range got.Suspects {
		suspects = append(suspects, key(s.Path))
	}
	for _, s := range want.Suspects {
		if !slices.Contains(suspects, key(s)) {
			t.Errorf("not suspected: %s", s)
		}
	}
	if len(suspects) != len(want.Suspects) {
		t.Errorf("suspects %q, want %q", suspects, want.Suspects)
	}
}

// key compares paths of the truth with those of claims, which are escaped.
func key(p string) string {
	return trace.Key(strings.NewReplacer("⟨U+202E⟩", "\u202e", "⟨U+202D⟩", "\u202d").Replace(p), nil, "")
}

// acts says which rules tell of an act, and which of its actor.
var acts = map[string]struct{ act, actor []string }{
	"received":         {[]string{"mail-received"}, nil},
	"delivered":        {[]string{"delivered"}, nil},
	"unpacked":         {[]string{"unpacked"}, []string{"unpacked-by"}},
	"ran":              {[]string{"ran"}, []string{"started-by"}},
	"wrote":            {[]string{"came"}, []string{"wrote", "packed-by"}},
	"metadata-changed": {[]string{"times-changed"}, []string{"times-changed-by"}},
	"persisted":        {[]string{"starts"}, []string{"set-start"}},
	"packed":           {[]string{"packed", "packed-maybe"}, []string{"packed-by"}},
	"deleted":          {[]string{"deleted"}, []string{"deleted-by"}},
	"cleared":          {[]string{"cleared"}, []string{"cleared-program"}},
	"sent":             {[]string{"left"}, []string{"sent-by", "connected-maybe"}},
}

func checkTouched(t *testing.T, want *truth, got *said) {
	all := append(slices.Clone(got.Touched), got.Left...)
	for _, w := range want.Touched {
		rules, ok := acts[w.Act]
		if !ok {
			t.Errorf("%s: act %s is not known to this test", w.ID, w.Act)
			continue
		}
		about := func(c claim) bool {
			for _, e := range c.Entities {
				switch {
				case w.Key != "" && strings.HasSuffix(strings.ToLower(e.Key), strings.ToLower(strings.TrimPrefix(w.Key, "ControlSet001"))) && strings.EqualFold(e.Value, w.Value),
					w.Path != "" && key(e.Path) == key(w.Path) && e.Role != "actor":
					return true
				}
			}
			return false
		}
		grade := best(all, rules.act, func(c claim) bool {
			return about(c) && near(c, w.Time, w.Act == "ran" || w.Act == "cleared" || w.Act == "deleted")
		})
		if grade != w.Grade && !slices.Contains(w.Also, grade) {
			t.Errorf("%s (%s %s): act is %s, want %s", w.ID, w.Act, w.Path+w.Key, grade, w.Grade)
		}
		if w.Actor == "" || rules.actor == nil {
			continue
		}
		by := func(c claim) bool {
			for _, e := range c.Entities {
				if e.Role == "actor" && key(e.Path) == key(w.Actor) {
					return w.Act == "sent" || about(c) || w.Act == "packed" && packs(c, w.Target)
				}
			}
			return false
		}
		if g := best(all, rules.actor, by); g != w.ActorGrade {
			t.Errorf("%s (%s %s): actor %s is %s, want %s", w.ID, w.Act, w.Path+w.Key, w.Actor, g, w.ActorGrade)
		}
	}
}

func packs(c claim, archive string) bool {
	return slices.ContainsFunc(c.Entities, func(e struct {
		Role, Kind, Name, Path string
		Key                    string `json:"registry_key"`
		Value                  string `json:"registry_value"`
	}) bool {
		return key(e.Path) == key(archive)
	})
}

var order = []string{"", "CANNOT KNOW", "POSSIBLE", "SUPPORTED", "PROVEN"}

// best is the strongest grade that claims of these rules give.
func best(claims []claim, rules []string, ok func(claim) bool) string {
	g := ""
	for _, c := range claims {
		if slices.Contains(rules, c.Rule) && ok(c) && slices.Index(order, c.Grade) > slices.Index(order, g) {
			g = c.Grade
		}
	}
	return g
}

// near holds where the claim's time is within two seconds of the truth's; acts
// that happen once need no time.
func near(c claim, want string, needed bool) bool {
	if !needed || want == "" || c.From == nil {
		return true
	}
	w, err1 := time.Parse(time.RFC3339Nano, want)
	a, err2 := time.Parse(time.RFC3339Nano, *c.From)
	b := a
	if c.To != nil {
		b, _ = time.Parse(time.RFC3339Nano, *c.To)
	}
	return err1 == nil && err2 == nil && !w.Before(a.Add(-2*time.Second)) && !w.After(b.Add(2*time.Second))
}

func checkInnocent(t *testing.T, want *truth, got *said) {
	paths := map[string]bool{}
	for _, w := range want.Innocent {
		if w.Path != "" {
			paths[key(w.Path)] = true
		}
	}
	for _, c := range append(slices.Clone(got.Touched), got.Left...) {
		if slices.Index(order, c.Grade) < slices.Index(order, "SUPPORTED") {
			continue
		}
		for _, e := range c.Entities {
			if e.Path != "" && paths[key(e.Path)] {
				t.Errorf("innocent %s is blamed: %s %s", e.Path, c.Grade, c.Sentence)
			}
			for _, w := range want.Innocent {
				if w.RegKey != "" && e.Key != "" && strings.EqualFold(e.Value, w.RegValue) && strings.HasSuffix(strings.ToLower(e.Key), strings.ToLower(w.RegKey)) {
					t.Errorf("innocent %s is blamed: %s %s", w.RegKey, c.Grade, c.Sentence)
				}
			}
		}
	}
}

func checkLeft(t *testing.T, want *truth, got *said) {
	for _, w := range want.Left {
		switch w.Channel {
		case "network":
			connected := append(slices.Clone(got.Touched), got.Left...)
			if g := best(connected, []string{"connected", "connected-maybe"}, func(c claim) bool { return strings.Contains(c.Sentence, w.Host) }); g != w.Connected {
				t.Errorf("%s: connected is %s, want %s", w.ID, g, w.Connected)
			}
			if g := best(got.Left, []string{"left"}, func(c claim) bool { return packs(c, w.Object) }); g != w.ObjectGrade && !slices.Contains(w.ObjectAlso, g) {
				t.Errorf("%s: object is %s, want %s", w.ID, g, w.ObjectGrade)
			}
			if w.True == nil { // nothing counted: no interval may be claimed
				for _, c := range got.Left {
					if c.Max != nil || c.Min != nil && *c.Min != 0 {
						t.Errorf("%s: an interval without a witness: %s", w.ID, c.Sentence)
					}
				}
				continue
			}
			i := slices.IndexFunc(got.Left, func(c claim) bool { return c.Rule == "sent-bytes" })
			if i < 0 {
				t.Errorf("%s: no interval", w.ID)
				continue
			}
			c := got.Left[i]
			if c.Min == nil || c.Max == nil || *c.Min > *w.True || *c.Max < *w.True || c.Grade != w.Grade || len(c.Events) != w.Requests {
				t.Errorf("%s: %s %s, %d records; true %d in %d requests, %s", w.ID, c.Grade, c.Sentence, len(c.Events), *w.True, w.Requests, w.Grade)
			}
			if w.Min != nil && c.Min != nil && w.Max != nil && c.Max != nil && (*c.Min > *w.Max || *c.Max < *w.Min) {
				t.Errorf("%s: %d to %d, the truth's own is %d to %d", w.ID, *c.Min, *c.Max, *w.Min, *w.Max)
			}
		case "removable-device":
			if g := best(got.Left, []string{"device"}, func(claim) bool { return true }); g != w.Grade {
				t.Errorf("%s: %s, want %s", w.ID, g, w.Grade)
			}
		case "credentials-in-reach":
			var names []string
			for _, c := range got.Left {
				if c.Rule == "credentials" {
					for _, e := range c.Entities {
						names = append(names, e.Name)
					}
				}
			}
			slices.Sort(names)
			if !slices.Equal(names, w.Accounts) {
				t.Errorf("accounts in reach %q, want %q", names, w.Accounts)
			}
		default:
			t.Errorf("%s: channel %s is not known to this test", w.ID, w.Channel)
		}
	}
}

// unknowns says which rule speaks of which line of the truth.
var unknowns = map[string][]string{
	"bytes-sent": {"no-volume", "volume-not-kept", "outside-proxy"}, "security-log": {"cleared-span"}, "application-log": {"cleared-span"},
	"process-creation-before": {"no-starts"}, "process-creation-after": {"no-starts"}, "command-lines": {"no-command-lines"},
	"archive-tail": {"overwritten"}, "packer": {"who-packed"}, "journal-before": {"journal-before"}, "memory": {"no-memory"},
	"temporary-files": {"emptied"}, "proxy-after": {"proxy-after"}, "proxy-before": {"proxy-before"},
}

func checkUnknown(t *testing.T, want *truth, got *said) {
	used := map[int]bool{}
	for _, w := range want.Unknown {
		rules, ok := unknowns[w.ID]
		if !ok {
			t.Errorf("unknown %s is not known to this test", w.ID)
			continue
		}
		found := false
		for i, c := range got.Unknown {
			if slices.Contains(rules, c.Rule) && !used[i] && overlaps(c, w.From, w.To) {
				found, used[i] = true, true
				break
			}
		}
		if !found {
			t.Errorf("not said to be unknown: %s (%s to %s)", w.ID, w.From, w.To)
		}
	}
	for i, c := range got.Unknown {
		// Sources that could not be read are the reader's own gaps, not the story's.
		if !used[i] && c.Rule != "unread" {
			t.Errorf("said to be unknown, and the truth does not: %s", c.Sentence)
		}
	}
}

// overlaps holds where both ends agree within a minute, as far as they are
// given.
func overlaps(c claim, from, to string) bool {
	// A log says where its last line is, not where it was cut.
	tolerance := 2 * time.Minute
	if strings.HasPrefix(c.Rule, "proxy-") {
		tolerance = 2 * time.Hour
	}
	agree := func(a *string, b string) bool {
		if a == nil || b == "" {
			return true
		}
		x, e1 := time.Parse(time.RFC3339Nano, *a)
		y, e2 := time.Parse(time.RFC3339Nano, b)
		return e1 == nil && e2 == nil && x.Sub(y).Abs() < tolerance
	}
	return agree(c.From, from) && agree(c.To, to)
}
