package document

import (
	"strings"
	"unicode/utf16"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

// RecentDocs is the shell's list of documents, in one list and in one for each
// ending.
var RecentDocs = mruSpec("document/recentdocs", "RecentDocs", mru{
	keys: []string{explorer + "RecentDocs"}, lists: true, action: event.ReadOrOpened,
	first: "opened by the shell", other: "opened by the shell before", verb: "shell opened", ordered: listEx, decode: decodeRecentDoc,
}, artifact.Card{
	Proves:    "The shell of this profile opened a document or folder of this name; the first of a list at the key's last write.",
	Retention: "150 entries in all, 10 to 20 for each ending.",
	Switches:  "NoRecentDocsHistory and Start_TrackDocs = 0 stop it; ClearRecentDocsOnExit empties it at logoff.",
	Source:    "libyal winreg-kb, \"Most recently used\"; Microsoft Learn, policy \"Do not keep history of recently opened documents\".",
})

// TypedPaths are what was typed into the address line of the Explorer.
var TypedPaths = mruSpec("document/typedpaths", "TypedPaths", mru{
	keys: []string{explorer + "TypedPaths"}, action: event.Other,
	first: "typed into the Explorer's address line", other: "typed into the Explorer's address line before", verb: "typed into the Explorer", ordered: listNumbered("url"), decode: decodeText,
}, artifact.Card{
	Proves:    "This text was entered in the Explorer's address line in this profile and led somewhere; url1 is the latest.",
	Retention: "25 entries; written when the window is closed.",
	Switches:  "None known.",
	Source:    "libyal winreg-kb, \"Typed paths\"; Windows Vista and later.",
})

// RunMRU are the commands of the Run dialog.
var RunMRU = mruSpec("document/runmru", "RunMRU", mru{
	keys: []string{explorer + "RunMRU"}, action: event.Other,
	first: "entered in the Run dialog", other: "entered in the Run dialog before", verb: "Run dialog:", ordered: listLetters, decode: decodeRun,
}, artifact.Card{
	Proves:    "This text was entered in the Run dialog of this profile and accepted.",
	NotProven: "That a program ran or did its work; the time of any entry but the first. In a roaming profile it may be from another machine.",
	Retention: "26 entries.",
	Switches:  "Start_TrackProgs = 0 below Explorer\\Advanced stops it.",
	Source:    "libyal winreg-kb, \"Run MRU\".",
})

// OpenSave are the files chosen in the common dialogs.
var OpenSave = mruSpec("document/opensave", "Open and save dialogs (OpenSaveMRU)", mru{
	keys: []string{explorer + `ComDlg32\OpenSavePidlMRU`, explorer + `ComDlg32\OpenSaveMRU`}, lists: true, action: event.Other,
	first: "chosen in an open or save dialog", other: "chosen in an open or save dialog before", verb: "dialog chose", ordered: either, decode: decodeItems,
}, artifact.Card{
	Proves:    "This file was chosen in an open or save dialog of some program in this profile.",
	NotProven: "Whether it was opened or saved, by which program, that it existed; the time of any entry but the first. In a roaming profile it may be from another machine.",
	Retention: "20 entries for each ending and for all.",
	Switches:  "NoFileMru.",
	Source:    "libyal winreg-kb, \"Common dialog\"; C. Pugh's and H. Carvey's notes on ComDlg32.",
})

// LastVisited are the programs that used the common dialogs, with their folder.
var LastVisited = mruSpec("document/lastvisited", "Programs that used dialogs (LastVisitedMRU)", mru{
	keys:   []string{explorer + `ComDlg32\LastVisitedPidlMRU`, explorer + `ComDlg32\LastVisitedPidlMRULegacy`, explorer + `ComDlg32\LastVisitedMRU`},
	action: event.Other, first: "used an open or save dialog", other: "used an open or save dialog before", verb: "dialog used by", ordered: either, decode: decodeVisited,
}, artifact.Card{
	Proves:    "A program of this name used an open or save dialog in this profile; the folder is the one it was left in. So the program ran.",
	NotProven: "Its path, the file; the time of any entry but the first. In a roaming profile it may be from another machine.",
	Retention: "About 25 entries.",
	Switches:  "NoFileMru.",
	Source:    "libyal winreg-kb, \"Common dialog\".",
})

// WordWheel are the searches of the Explorer.
var WordWheel = mruSpec("document/wordwheel", "Searches of the Explorer (WordWheelQuery)", mru{
	keys: []string{explorer + "WordWheelQuery", `Software\Microsoft\Search Assistant\ACMru\5603`, `Software\Microsoft\Search Assistant\ACMru\5604`}, action: event.Other,
	first: "searched in the Explorer", other: "searched in the Explorer before", verb: "searched for", ordered: either, decode: decodeText,
}, artifact.Card{
	Proves:    "These words were searched for in the Explorer of this profile.",
	Retention: "Some 50 entries.",
	Switches:  "DisableSearchBoxSuggestions, DisableSearchHistory.",
	Source:    "libyal winreg-kb, \"Word wheel query\"; XP's Search Assistant.",
})

// NetworkDrives are shares that were connected by the dialog.
var NetworkDrives = mruSpec("document/networkdrives", "Connected network drives (Map Network Drive MRU)", mru{
	keys: []string{explorer + "Map Network Drive MRU"}, action: event.ShareAccessed,
	first: "share connected as a drive", other: "share connected as a drive before", verb: "connected", ordered: listLetters, decode: decodeText,
}, artifact.Card{
	Proves:    "This share was entered in the dialog that connects network drives, in this profile.",
	NotProven: "That the connection worked, which files were used; the time of any entry but the first. In a roaming profile it may be from another machine.",
	Retention: "26 entries.",
	Switches:  "None known.",
	Source:    "libyal winreg-kb, \"Map network drive\".",
})

// TypedURLs are the addresses typed into the Internet Explorer; from 10 on each
// has its time in a key beside.
var TypedURLs = mruSpec("document/typedurls", "Addresses typed into Internet Explorer (TypedURLs)", mru{
	keys: []string{`Software\Microsoft\Internet Explorer\TypedURLs`}, action: event.Other,
	first: "typed into Internet Explorer", other: "typed into Internet Explorer before", verb: "typed into Internet Explorer:", ordered: listNumbered("url"), decode: decodeURL, times: typedTimes,
}, artifact.Card{
	Proves:    "This address was typed or pasted into the address line of Internet Explorer, or chosen from its list, in this profile.",
	NotProven: "That the page was shown; the time of any entry but the first before Internet Explorer 10. In a roaming profile it may be from another machine.",
	Clock:     "System UTC, 100 ns: FILETIME of the value in TypedURLsTime, else of the key for the first entry.",
	Retention: "25 entries to Internet Explorer 9, 50 from 10 on; written when the program ends.",
	Switches:  "Private browsing; deleting the history empties it.",
	Source:    "libyal winreg-kb, \"Internet Explorer typed URLs\".",
})

func typedTimes(in *artifact.Input, h *artifact.Hive, _ *regf.Key) map[string]event.Ticks {
	out := map[string]event.Ticks{}
	for k := range h.Find(in, `Software\Microsoft\Internet Explorer\TypedURLsTime`) {
		for v := range h.Values(in, k) {
			if n, ok := v.Uint(); ok && v.Size == 8 {
				out[strings.ToLower(v.Name)] = event.Ticks(n)
			}
		}
	}
	return out
}

func decodeURL(e *event.Event, v regf.Value) (string, error) {
	s, err := plain(v)
	e.Fields = append(e.Fields, event.Str("name", s))
	if e.Path = artifact.PathOf(s); e.Path == "" {
		e.URL = s
	}
	return s, err
}

// either is MRUListEx where there is one, else MRUList.
func either(k *regf.Key) []string {
	if l := listEx(k); len(l) > 0 {
		return l
	}
	return listLetters(k)
}

func decodeUTF16(u []uint16) string { return string(utf16.Decode(u)) }

// plain is the text of a value, whatever its type.
func plain(v regf.Value) (string, error) {
	if v.Type == regf.String || v.Type == regf.ExpandString {
		return v.Text()
	}
	b, err := v.Data()
	s, _ := cstring(b)
	return s, err
}

func decodeText(e *event.Event, v regf.Value) (string, error) {
	s, err := plain(v)
	e.Fields = append(e.Fields, event.Str("name", s))
	e.Path = artifact.PathOf(s)
	if strings.HasPrefix(s, `\\`) {
		e.Host, _, _ = strings.Cut(s[2:], `\`)
	}
	return s, err
}

// decodeRun takes off the mark that ends each command.
func decodeRun(e *event.Event, v regf.Value) (string, error) {
	s, err := plain(v)
	s = strings.TrimSuffix(s, `\1`)
	e.Fields = append(e.Fields, event.Str("name", s))
	e.Program, _ = artifact.Program(s)
	e.Path = artifact.PathOf(e.Program)
	return s, err
}

// decodeRecentDoc reads a name and a shell item of the link that was made.
func decodeRecentDoc(e *event.Event, v regf.Value) (string, error) {
	b, err := v.Data()
	if err != nil {
		return "", err
	}
	name, _ := cstring(b)
	e.Path = name
	e.Fields = append(e.Fields, event.Str("name", name))
	return name, nil
}

// decodeItems reads the items of Vista and later, and the text of XP.
func decodeItems(e *event.Event, v regf.Value) (string, error) {
	if v.Type == regf.String {
		return decodeText(e, v)
	}
	b, err := v.Data()
	if err != nil {
		return "", err
	}
	return shellFields(e, b, 0)
}

// decodeVisited reads a program's name, then a folder: items, or text on XP.
func decodeVisited(e *event.Event, v regf.Value) (string, error) {
	b, err := v.Data()
	if err != nil {
		return "", err
	}
	name, rest := cstring(b)
	e.Program = name
	e.Fields = append(e.Fields, event.Str("name", name))
	if strings.HasSuffix(e.RegistryKey, "LastVisitedMRU") {
		folder, _ := cstring(rest)
		e.Fields = append(e.Fields, event.Str("folder", folder))
		e.Path = artifact.PathOf(folder)
		return name + " in " + folder, nil
	}
	shown, err := shellFields(e, rest, 0)
	return name + " in " + shown, err
}
