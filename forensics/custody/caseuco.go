package custody

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"
)

// CaseUCO writes the record in the terms of CASE 1.3 and UCO 1.3, as JSON-LD,
// for tools that exchange it: an investigative action with its performer, its
// tool, the source and the image. It is made from the record alone and says
// nothing that the record does not; its identifiers are digests of the record,
// so the same record gives the same bytes. The record itself stays the primary
// paper.
//
// The names are those of the ontologies (ontology.caseontology.org,
// ontology.unifiedcyberontology.org) and of the examples of the CASE project.
func (s *Sidecar) CaseUCO() ([]byte, error) {
	own, err := s.Bytes()
	if err != nil {
		return nil, err
	}
	b := graph{seed: sha256.Sum256(own)}
	tool := b.add("tool", "uco-tool:ConfiguredTool", node{
		"uco-core:name": s.Tool.Name, "uco-tool:version": s.Tool.Version,
		"uco-configuration:usesConfiguration": node{"@type": "uco-configuration:Configuration",
			"uco-core:description": strings.Join(s.Arguments, " ")},
		"uco-core:hasFacet": []any{contentData(0, []MediaDigest{{Alg: "sha256", Sum: s.Tool.SHA256}})},
	})
	performer := b.add("performer", "uco-identity:Person", node{"uco-core:name": or(s.Actor.Examiner, "not stated")})
	device := b.add("source", "uco-observable:Device", node{"uco-core:hasFacet": []any{node{
		"@type": "uco-observable:DeviceFacet", "uco-observable:manufacturer": s.Source.Vendor,
		"uco-observable:model": s.Source.Model, "uco-observable:serialNumber": s.Source.Serial,
	}, node{"@type": "uco-observable:DiskFacet", "uco-observable:diskType": s.Source.Kind, "uco-observable:diskSize": s.Source.Size}}})
	var files []any
	for i, g := range s.Image.Segments {
		var sums []MediaDigest
		if g.SHA256 != "" {
			sums = []MediaDigest{{Alg: "sha256", Sum: g.SHA256}}
		}
		files = append(files, b.add(fmt.Sprint("file", i), "uco-observable:File", node{"uco-core:hasFacet": []any{
			node{"@type": "uco-observable:FileFacet", "uco-observable:fileName": path.Base(g.Name), "uco-observable:sizeInBytes": g.Size},
			contentData(g.Size, sums),
		}}))
	}
	image := b.add("image", "uco-observable:Image", node{"uco-core:hasFacet": []any{
		node{"@type": "uco-observable:ImageFacet", "uco-observable:imageType": strings.TrimSpace(s.Image.Format + " " + s.Image.Variant)},
		contentData(s.Image.Size, s.Digests),
	}})
	before := b.add("before", "case-investigation:ProvenanceRecord", node{
		"case-investigation:exhibitNumber": s.Exhibit, "uco-core:object": device})
	after := b.add("after", "case-investigation:ProvenanceRecord", node{
		"case-investigation:exhibitNumber": s.Exhibit, "case-investigation:wasDerivedFrom": before,
		"uco-core:object": append([]any{image}, files...)})
	b.add("action", "case-investigation:InvestigativeAction", node{
		"uco-core:name": "imaged", "uco-core:description": s.Description,
		"uco-action:startTime": stamp(s.Times.Started), "uco-action:endTime": stamp(s.Times.Ended),
		"uco-action:performer": performer, "uco-action:instrument": tool,
		"uco-action:object": before, "uco-action:result": after,
	})
	out, err := json.MarshalIndent(node{"@context": node{
		"kb":                 "http://example.org/kb/",
		"case-investigation": "https://ontology.caseontology.org/case/investigation/",
		"uco-action":         "https://ontology.unifiedcyberontology.org/uco/action/",
		"uco-configuration":  "https://ontology.unifiedcyberontology.org/uco/configuration/",
		"uco-core":           "https://ontology.unifiedcyberontology.org/uco/core/",
		"uco-identity":       "https://ontology.unifiedcyberontology.org/uco/identity/",
		"uco-observable":     "https://ontology.unifiedcyberontology.org/uco/observable/",
		"uco-tool":           "https://ontology.unifiedcyberontology.org/uco/tool/",
		"uco-types":          "https://ontology.unifiedcyberontology.org/uco/types/",
		"uco-vocabulary":     "https://ontology.unifiedcyberontology.org/uco/vocabulary/",
		"xsd":                "http://www.w3.org/2001/XMLSchema#",
	}, "@graph": b.all}, "", "  ")
	return append(out, '\n'), err
}

type node = map[string]any

// graph collects nodes with identifiers of their own.
type graph struct {
	seed [sha256.Size]byte
	all  []any
}

// add puts a node in and gives a reference to it.
func (g *graph) add(name, kind string, n node) node {
	d := sha256.Sum256(append(g.seed[:], name...))
	d[6], d[8] = d[6]&0x0F|0x80, d[8]&0x3F|0x80 // RFC 9562, version 8
	id := fmt.Sprintf("kb:%s-%x-%x-%x-%x-%x", name, d[:4], d[4:6], d[6:8], d[8:10], d[10:16])
	n["@id"], n["@type"] = id, kind
	for k, v := range n {
		if v == "" {
			delete(n, k)
		}
	}
	g.all = append(g.all, n)
	return node{"@id": id}
}

var hashNames = map[string]string{"md5": "MD5", "sha1": "SHA1", "sha256": "SHA256"}

func contentData(size int64, sums []MediaDigest) node {
	n := node{"@type": "uco-observable:ContentDataFacet"}
	if size > 0 {
		n["uco-observable:sizeInBytes"] = size
	}
	var hashes []any
	for _, d := range sums {
		hashes = append(hashes, node{"@type": "uco-types:Hash",
			"uco-types:hashMethod": node{"@type": "uco-vocabulary:HashNameVocab", "@value": hashNames[d.Alg]},
			"uco-types:hashValue":  node{"@type": "xsd:hexBinary", "@value": d.Sum}})
	}
	if hashes != nil {
		n["uco-observable:hash"] = hashes
	}
	return n
}

func stamp(t time.Time) node {
	return node{"@type": "xsd:dateTime", "@value": t.UTC().Format(time.RFC3339Nano)}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
