package custody

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestCaseUCO(t *testing.T) {
	s := &Sidecar{Schema: 1, State: "complete", Tool: SidecarTool{Name: "ks-acquire", Version: "1", SHA256: strings.Repeat("ab", 32)},
		Actor: SidecarActor{Examiner: "鑑識 太郎"}, Exhibit: "2011-083/4", Source: SidecarSource{Kind: "disk", Model: "M", Serial: "S", Size: 1 << 20},
		Image:   SidecarImage{Format: "E01", Variant: "EnCase 6", Size: 1 << 20, Segments: []Segment{{Name: "d.E01", Size: 99, SHA256: strings.Repeat("cd", 32)}}},
		Digests: []MediaDigest{{"md5", strings.Repeat("0e", 16), "media"}},
		Times:   SidecarTimes{Started: time.Unix(1e9, 0), Ended: time.Unix(1e9+60, 0)}}
	a, err := s.CaseUCO()
	if err != nil {
		t.Fatal(err)
	}
	b, _ := s.CaseUCO()
	if !bytes.Equal(a, b) {
		t.Error("not the same twice")
	}
	var doc struct {
		Graph []map[string]any `json:"@graph"`
	}
	if err := json.Unmarshal(a, &doc); err != nil {
		t.Fatal(err)
	}
	ids, kinds := map[string]bool{}, map[string]int{}
	for _, n := range doc.Graph {
		ids[n["@id"].(string)] = true
		kinds[n["@type"].(string)]++
	}
	for _, k := range []string{"case-investigation:InvestigativeAction", "uco-tool:ConfiguredTool", "uco-observable:Device", "uco-observable:File", "uco-observable:Image"} {
		if kinds[k] != 1 {
			t.Errorf("%d of %s", kinds[k], k)
		}
	}
	if kinds["case-investigation:ProvenanceRecord"] != 2 || len(ids) != len(doc.Graph) {
		t.Errorf("%v", kinds)
	}
	// Every reference leads to a node.
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if id, ok := v["@id"].(string); ok && len(v) == 1 && !ids[id] {
				t.Errorf("%s is not in the graph", id)
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	for _, n := range doc.Graph {
		walk(n)
	}
	for _, want := range []string{"2011-083/4", "鑑識 太郎", "2001-09-09T01:46:40Z", strings.Repeat("cd", 32), strings.Repeat("0e", 16)} {
		if !bytes.Contains(a, []byte(want)) {
			t.Errorf("%s is missing", want)
		}
	}
}
