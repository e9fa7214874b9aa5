// Package forensics holds the meaning of what package parsers decodes. It has
// no code of its own; this is the drawing of the house.
//
//	disk, E01, VMDK …, folder, log        device
//	       │ evidence   bytes, ranges, digests ◄── acquire   image, custody record
//	       │ volume     partitions, and what is not read yet
//	       │ filesystem entries, streams, deleted
//	       ▼
//	parsers/* ─ decode ─► artifact   find, guard, read, say
//	                       │                  │
//	                       ▼                  ▼
//	     event (what it says, where)   problem (what is lost, where)
//	                       │                  │
//	                       ▼                  ▼
//	                     store  ◄──────── coverage (found? read? which span?)
//	                       │
//	                 timeline → trace
//	                       ▼
//	                    report    TOUCHED / MAY HAVE LEFT / CANNOT KNOW
//
// Imports point down only; scripts/layers holds the rows.
//
// # Recipes
//
// Add an artifact: a parser if the format is new; one file in the group of
// artifact that answers the examiner's question, with a Spec and its rule card;
// a golden test and artifacttest.Run; one line in artifact/all.
//
// Add a parser: doc comment with the specification, the versions and what is
// not decoded; types in the words of the specification; Parse or NewReader over
// the cursor; golden test, truncation law, fuzz target with seeds, comparison
// with another reader, benchmark; constants for every limit.
//
// Wrap a parser that we did not write: one owner package, our types, a fault
// reader below, a guard above, a test for each swallowed error that is known,
// the version that was read; its line in the owners of scripts/layers.
//
// Add a container: a parser over parsers/container; one file in evidence with a
// row in its list of formats; evidencetest.Run; its rows in containers_test.
//
// Add a rule of the trace: a row in trace/rules.go or trace/words.go with its
// words in both languages and what it does not prove; a world in which it fires
// and one, as like as possible, in which it must not.
//
// # Decisions
//
// 1. Parquet files are the store; there is no database server. They are read by
// every engine that a team with thousands of machines may have. A need for
// transactions on single rows would change it.
//
// 2. An event's id is a digest of its content and never of its place: a new
// shadow copy or a carved twin changes no id, and a correction of a report is a
// difference of claims.
//
// 3. Registries are slices in one package (artifact/all). Order is part of the
// output, and init functions would decide it.
//
// 4. A claim's act, actor and content are claims of their own. Most machines
// prove the first and not the second.
//
// 5. Signatures are judged by the file and by the catalogues of its own image.
// The examining machine's trust store and clock have no say.
//
// 6. ESE databases are read by parsers of our own: the library at hand cuts
// times to seconds, prints to standard output and loses a table with a row.
//
// 7. Digests per MiB are taken when the medium is read, and reading back compares
// them on all cores: what is proven is that the image holds what was read, place
// by place. They cost a second SHA-256, so --no-verify leaves them out.
//
// 8. A container is one function from an offset to the run that begins there
// (parsers/container). Reading over borders, caching, ranges and damage are
// written once, so that no format can invent zeros on its own.
//
// 9. The inflater is the library's although one of our own was faster: 600
// lines that read hostile bytes need a better reason than that.
package forensics
