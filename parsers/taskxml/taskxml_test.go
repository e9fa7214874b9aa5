package taskxml

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func sample(t testing.TB, name string) []byte {
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSamples holds the truth table's rows and what stands in the files.
func TestSamples(t *testing.T) {
	v, err := Parse(sample(t, "vsix.xml"))
	if err != nil || len(v.Damage) > 0 {
		t.Fatal(err, v)
	}
	if v.URI != `\Microsoft\VisualStudio\VSIX Auto Update` || v.Author != "Microsoft VisualStudio" || len(v.Triggers) != 1 || len(v.Actions) != 1 ||
		v.Actions[0].Command != `C:\Program Files (x86)\Microsoft Visual Studio\Installer\resources\app\ServiceHub\Services\Microsoft.VisualStudio.Setup.Service\VSIXAutoUpdate.exe` ||
		len(v.Principals) != 1 || v.Principals[0].UserID != "S-1-5-18" {
		t.Errorf("%+v", v)
	}
	s, err := Parse(sample(t, "softlanding.xml"))
	if err != nil || len(s.Damage) > 0 {
		t.Fatal(err, s)
	}
	var types []string
	for _, tr := range s.Triggers {
		types = append(types, tr.Type)
	}
	if strings.Join(types, " ") != "WnfStateChangeTrigger TimeTrigger TimeTrigger" || s.Triggers[1].Start != "2026-03-29T03:16:00Z" || s.Triggers[2].Interval != "PT24H" {
		t.Errorf("triggers %+v", s.Triggers)
	}
	if len(s.Actions) != 1 || s.Actions[0].Type != "ComHandler" || !strings.HasPrefix(s.Actions[0].ClassID, "{F576B2F9-") || s.Hidden != "false" {
		t.Errorf("actions %+v, hidden %q", s.Actions, s.Hidden)
	}
	if s.URI != `\SoftLanding\S-1-5-21-476446702-302789185-3387769606-1001\SoftLandingCreativeManagementTask` {
		t.Errorf("URI %s", s.URI)
	}
}

func TestTruncation(t *testing.T) {
	for _, name := range []string{"vsix.xml", "softlanding.xml"} {
		whole := bytes.TrimRight(sample(t, name), "\r\n\x00 ")
		for n := 0; n < len(whole)-1; n += 3 {
			if v, err := Parse(whole[:n]); err == nil && len(v.Damage) == 0 {
				t.Errorf("%s cut at %d of %d: loss is silent", name, n, len(whole))
			}
		}
	}
}

// TestLimits: depth, entities and number of items are their author's choice.
func TestLimits(t *testing.T) {
	for name, text := range map[string]string{
		"deep":   "<Task>" + strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth) + "</Task>",
		"entity": `<!DOCTYPE x [<!ENTITY a "aaaa">]><Task><RegistrationInfo><Author>&a;</Author></RegistrationInfo></Task>`,
		"many":   "<Task><Actions>" + strings.Repeat("<Exec/>", maxItems+1) + "</Actions></Task>",
	} {
		if v, err := Parse([]byte(text)); err == nil && len(v.Damage) == 0 {
			t.Errorf("%s accepted", name)
		}
	}
	if _, err := Parse([]byte("<html/>")); err == nil {
		t.Error("another document is taken for a task")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f, "vsix.xml"))
	f.Add(sample(f, "softlanding.xml"))
	f.Fuzz(func(t *testing.T, b []byte) { Parse(b) })
}

func BenchmarkParse(b *testing.B) {
	data := sample(b, "vsix.xml")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
