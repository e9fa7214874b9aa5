package escape

import "testing"

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"C:\\条約\\a.doc":          "C:\\条約\\a.doc",
		"会議資料\u202Efdp.exe":      "会議資料⟨U+202E⟩fdp.exe",
		"a\x1b[2Jb\n":            "a⟨U+001B⟩[2Jb⟨U+000A⟩",
		"a\u200bb\u00adc":        "a⟨U+200B⟩b⟨U+00AD⟩c",
		"\xed\xa0\x80x\xff":      "⟨U+D800⟩x⟨0xFF⟩",
		"⟨U+202E⟩":               "⟨U+27E8⟩U+202E⟨U+27E9⟩",
		"tag\U000E0041\u2028end": "tag⟨U+E0041⟩⟨U+2028⟩end",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCSV(t *testing.T) {
	for in, want := range map[string]string{"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "-1": "'-1", "a=b": "a=b", "": ""} {
		if got := CSV(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
