"""Diagnoses, procedures, vaccines and allergies in Swedish, from the codes of the generators.

A finding of the generators that is not listed here (American social screening, dental billing) is left out.
ICD-10-SE codes carry Swedish names; SNOMED CT stands beside where the generator had it.
"""

from __future__ import annotations

from typing import Final


def _table(text: str) -> dict[str, tuple[str, str]]:
    rows = (line.split("|") for line in text.strip().splitlines())
    return {code: (target, name) for code, target, name in rows}


# SNOMED CT → ICD-10-SE, Swedish name
FROM_SNOMED: Final = _table("""
66383009|K05.1|Kronisk gingivit
73595000|F43.9|Reaktion på svår stress, ospecificerad
444814009|J01.9|Akut sinuit, ospecificerad
6525002|F19.2|Beroende av flera droger och andra psykoaktiva substanser
714628002|R73.0|Onormalt glukostoleranstest
195662009|J02.9|Akut faryngit, ospecificerad
82423001|R52.2|Annan kronisk smärta
124171000119105|G43.0|Migrän utan aura
10509002|J20.9|Akut bronkit, ospecificerad
162864005|E66.9|Fetma, ospecificerad
408512008|E66.8|Annan specificerad fetma
65363002|H66.9|Mellanöreinflammation, ospecificerad
1149222004|T50.9|Förgiftning av andra och ospecificerade läkemedel
72892002|Z34.9|Övervakning av normal graviditet, ospecificerad
109570002|K02.9|Karies, ospecificerad
43878008|J02.0|Faryngit orsakad av streptokocker
384709000|T14.3|Luxation och distorsion i ospecificerad kroppsregion
312608009|T14.1|Sårskada på icke specificerad kroppsregion
237602007|E88.9|Ämnesomsättningssjukdom, ospecificerad
125605004|T14.2|Fraktur på icke specificerad kroppsregion
44465007|S93.4|Distorsion i fotled
278860009|M54.5|Lumbago
307426000|N30.0|Akut cystit
271737000|D64.9|Anemi, ospecificerad
110030002|S06.0|Hjärnskakning
44054006|E11.9|Diabetes mellitus typ 2 utan (uppgift om) komplikationer
302870006|E78.1|Isolerad hypertriglyceridemi
431855005|N18.1|Kronisk njursjukdom, stadium 1
431856006|N18.2|Kronisk njursjukdom, stadium 2
433144002|N18.3|Kronisk njursjukdom, stadium 3
431857002|N18.4|Kronisk njursjukdom, stadium 4
46177005|N18.5|Kronisk njursjukdom, stadium 5
62106007|S06.0|Hjärnskakning
62564004|S06.0|Hjärnskakning
75498004|J01.9|Akut bakteriell sinuit
36971009|J32.9|Kronisk sinuit, ospecificerad
40055000|J32.9|Kronisk sinuit, ospecificerad
59621000|I10.9|Essentiell hypertoni
1121000119107|M54.2|Cervikalgi
10939881000119105|F10.1|Skadligt bruk av alkohol
7200002|F10.2|Alkoholberoende
90460009|S19.9|Ospecificerad skada på halsen
39848009|S13.4|Distorsion i halskotpelaren
58150001|S42.0|Fraktur på nyckelben
225444004|R45.8|Andra symtom och sjukdomstecken som avser känsloläge
70704007|S63.5|Distorsion i handled
427898007|K04.7|Periapikal abscess
19169002|O03.9|Spontan abort, utan komplikation
156073000|O03.9|Spontan abort, fullständig
48333001|T30.0|Brännskada på icke specificerad kroppsregion
403190006|T30.1|Brännskada av första graden
403191005|T30.2|Brännskada av andra graden
370247008|S01.8|Sårskada på andra delar av huvudet
284549007|S61.9|Sårskada på handled och hand
283371005|S51.9|Sårskada på underarm
284551006|S91.3|Sårskada på andra delar av foten
283385000|S71.1|Sårskada på lår
233604007|J18.9|Pneumoni, ospecificerad
65966004|S52.9|Fraktur på underarm, ospecificerad del
80583007|F41.0|Paniksyndrom
37796009|G43.9|Migrän, ospecificerad
68496003|K63.5|Polyp i kolon
840539006|U07.1|Covid-19, virus påvisat
16114001|S82.8|Fraktur på andra delar av underbenet (fotled)
192127007|F90.0|Aktivitets- och uppmärksamhetsstörning
370143000|F32.9|Depressiv episod, ospecificerad
386661006|R50.9|Feber, ospecificerad
55822004|E78.5|Hyperlipidemi, ospecificerad
361055000|F19.1|Skadligt bruk av flera droger
235595009|K21.9|Gastroesofageal refluxsjukdom utan esofagit
263102004|S62.8|Fraktur på handled
127013003|E11.2|Diabetes mellitus typ 2 med njurkomplikationer
90781000119102|E11.2|Diabetes mellitus typ 2 med njurkomplikationer
157141000119108|E11.2|Diabetes mellitus typ 2 med njurkomplikationer
368581000119106|E11.4|Diabetes mellitus typ 2 med neurologiska komplikationer
422034002|E11.3|Diabetes mellitus typ 2 med ögonkomplikationer
414545008|I25.9|Kronisk ischemisk hjärtsjukdom, ospecificerad
399211009|I25.2|Gammal hjärtinfarkt
399261000|Z95.1|Förekomst av aortakoronart bypass-transplantat
22298006|I21.9|Akut hjärtinfarkt, ospecificerad
401303003|I21.3|Akut transmural hjärtinfarkt
401314000|I21.4|Akut subendokardiell hjärtinfarkt
5602001|F11.1|Skadligt bruk av opioider
125601008|S89.9|Ospecificerad skada på underbenet
307731004|S46.0|Skada på muskel och sena i rotatorkuffen
239873007|M17.9|Gonartros, ospecificerad
201834006|M19.0|Primär artros i andra leder
49727002|R05.9|Hosta
39898005|G47.9|Sömnstörning, ospecificerad
36955009|R43.2|Smakförändring
241929008|T78.4|Allergi, ospecificerad
33737001|S22.3|Revbensfraktur
78275009|G47.3|Sömnapné
73430006|G47.3|Sömnapné
233678006|J45.0|Huvudsakligen allergisk astma
195967001|J45.9|Astma, ospecificerad
74400008|K35.8|Akut appendicit, annan och ospecificerad
47693006|K35.2|Akut appendicit med generaliserad peritonit
428251008|Z90.4|Förvärvad avsaknad av andra delar av matsmältningskanalen
128613002|R56.8|Andra och ospecificerade kramper
84757009|G40.9|Epilepsi, ospecificerad
713197008|K62.1|Rektalpolyp
64859006|M81.9|Osteoporos, ospecificerad
156370009|L40.5|Psoriasis med ledsjukdom
9014002|L40.9|Psoriasis, ospecificerad
21897009|F41.1|Generaliserat ångestsyndrom
398254007|O14.9|Preeklampsi, ospecificerad
9340000|F30.9|Manisk episod, ospecificerad
40275004|L25.9|Icke specificerat kontakteksem
26929004|G30.9|Alzheimers sjukdom, ospecificerad
235919008|K80.2|Gallsten i gallblåsan utan kolecystit
65275009|K81.0|Akut kolecystit
359817006|S72.0|Fraktur på lårbenshalsen
24079001|L20.9|Atopiskt eksem, ospecificerat
232353008|J30.3|Annan allergisk rinit
446096008|J30.3|Annan allergisk rinit
367498001|J30.1|Allergisk rinit orsakad av pollen
84229001|R53.9|Sjukdomskänsla och trötthet
203082005|M79.7|Fibromyalgi
698306007|Z75.2|Annan väntetid för undersökning och behandling
161665007|Z94.0|Förekomst av transplanterad njure
25064002|R51.9|Huvudvärk
267102003|R07.0|Smärta i halsen
267036007|R06.0|Dyspné
56018004|R06.2|Väsande andning
88805009|I50.0|Kronisk hjärtinkompetens med stasinkompetens
84114007|I50.9|Hjärtinkompetens, ospecificerad
68962001|M79.1|Myalgi
57676002|M25.5|Ledvärk
49436004|I48.9|Förmaksflimmer och förmaksfladder, ospecificerat
84494001|H40.1|Primärt öppenvinkelglaukom
444448004|S83.4|Distorsion av kollateralligament i knä
444470001|S83.5|Distorsion av korsband i knä
239720000|S83.2|Meniskruptur, aktuell
87433001|J43.9|Emfysem, ospecificerat
185086009|J44.8|Annan specificerad kroniskt obstruktiv lungsjukdom
13645005|J44.9|Kroniskt obstruktiv lungsjukdom, ospecificerad
24700007|G35.9|Multipel skleros
698819004|T81.4|Infektion efter kirurgiska och medicinska ingrepp
91302008|A41.9|Sepsis, ospecificerad
76571007|R57.2|Septisk chock
230690007|I64.9|Akut cerebrovaskulär sjukdom, ej specificerad
254837009|C50.9|Malign tumör i bröstkörtel, ospecificerad
363406005|C18.9|Malign tumör i tjocktarmen, ospecificerad
93761005|C18.9|Malign tumör i tjocktarmen, ospecificerad
126906006|C61.9|Malign tumör i prostata
92691004|D07.5|Cancer in situ i prostata
254637007|C34.9|Malign tumör i bronk eller lunga, ospecificerad
162573006|Z03.1|Observation för misstänkt malign tumör
424132000|C34.9|Malign tumör i bronk eller lunga, ospecificerad
315268008|Z03.1|Observation för misstänkt malign tumör
66857006|R04.2|Hemoptys
69896004|M06.9|Reumatoid artrit, ospecificerad
90560007|M10.9|Gikt, ospecificerad
86849004|X84.9|Avsiktligt självdestruktiv handling
128188000|G80.9|Cerebral pares, ospecificerad
53741008|I25.1|Aterosklerotisk hjärtsjukdom
60573004|I35.0|Aortastenos
267020005|N94.6|Dysmenorré, ospecificerad
237849005|E03.9|Hypotyreos, ospecificerad
40930008|E03.9|Hypotyreos, ospecificerad
83664006|E03.9|Hypotyreos, ospecificerad
36923009|F32.2|Svår depressiv episod
76175005|M79.7|Fibromyalgi
47505003|F43.1|Posttraumatiskt stressyndrom
443165006|M80.9|Osteoporos med fraktur, ospecificerad
287182007|X84.9|Avsiktligt självdestruktiv handling
197927001|N39.0|Urinvägsinfektion, utan angiven lokalisation
236077008|N20.9|Urinvägssten, ospecificerad
200936003|L93.0|Diskoid lupus erythematosus
55680006|T50.9|Förgiftning av läkemedel
""")

# ICD-10-CM (by longest prefix) → ICD-10-SE, Swedish name
FROM_ICD: Final = _table("""
I10|I10.9|Essentiell hypertoni
E78|E78.5|Hyperlipidemi, ospecificerad
E66.3|E66.9|Övervikt
E66|E66.9|Fetma, ospecificerad
F17|F17.2|Tobaksberoende
E11.1|E11.1|Diabetes mellitus typ 2 med ketoacidos
E11.6|E11.8|Diabetes mellitus typ 2 med icke specificerade komplikationer
E11|E11.9|Diabetes mellitus typ 2 utan (uppgift om) komplikationer
F10|F10.2|Alkoholberoende
K21|K21.9|Gastroesofageal refluxsjukdom utan esofagit
M17|M17.9|Gonartros, ospecificerad
N18|N18.9|Kronisk njursjukdom, ospecificerad
J44.1|J44.1|KOL med akut exacerbation, ospecificerad
J44|J44.9|Kroniskt obstruktiv lungsjukdom, ospecificerad
F32|F32.9|Depressiv episod, ospecificerad
F33|F33.9|Recidiverande depression, ospecificerad
J45.21|J45.9|Akut exacerbation av astma
J45.901|J45.9|Akut exacerbation av astma
J45|J45.9|Astma, ospecificerad
M81|M81.9|Osteoporos, ospecificerad
I25|I25.1|Aterosklerotisk hjärtsjukdom
Z34|Z34.9|Övervakning av normal graviditet, ospecificerad
E03|E03.9|Hypotyreos, ospecificerad
F03|F03.9|Ospecificerad demens
I48|I48.9|Förmaksflimmer och förmaksfladder, ospecificerat
A08|A08.4|Virusorsakad tarminfektion, ospecificerad
N40|N40.9|Prostataförstoring
I50|I50.9|Hjärtinkompetens, ospecificerad
F41.1|F41.1|Generaliserat ångestsyndrom
F41.0|F41.0|Paniksyndrom
C50|C50.9|Malign tumör i bröstkörtel, ospecificerad
C61|C61.9|Malign tumör i prostata
C18|C18.9|Malign tumör i tjocktarmen, ospecificerad
C34|C34.9|Malign tumör i bronk eller lunga, ospecificerad
C67|C67.9|Malign tumör i urinblåsan, ospecificerad
Z39|Z39.2|Rutinmässig efterkontroll efter förlossning
R07|R07.4|Bröstsmärtor, ospecificerade
M54|M54.5|Lumbago
J06|J06.9|Akut övre luftvägsinfektion, ospecificerad
G43|G43.9|Migrän, ospecificerad
S62|S62.8|Fraktur på handled och hand
T78|T78.4|Allergi, ospecificerad
N39|N39.0|Urinvägsinfektion, utan angiven lokalisation
R10|R10.4|Andra och icke specificerade buksmärtor
Z37|Z37.0|Enkelbörd, levande fött barn
Z38|Z38.0|Enkelbörd, fött på sjukhus
N17|N17.9|Akut njursvikt, ospecificerad
N10|N10.9|Akut tubulo-interstitiell nefrit (pyelonefrit)
S93|S93.4|Distorsion i fotled
S06.0|S06.0|Hjärnskakning
S06.5|S06.5|Traumatisk subduralblödning
R42|R42.9|Yrsel
T18|T18.9|Främmande kropp i matsmältningskanalen
W19|W19.9|Icke specificerat fall
R04.0|R04.0|Näsblödning
A05|A05.9|Bakteriell matförgiftning, ospecificerad
O80|O80.0|Spontan förlossning i kronhjässbjudning
O82|O82.0|Förlossning med planerat kejsarsnitt
R33|R33.9|Urinretention
I21|I21.9|Akut hjärtinfarkt, ospecificerad
J10|J10.1|Influensa med andra manifestationer från andningsorganen
J11|J11.1|Influensa, virus ej identifierat
S43|S43.0|Luxation i skulderled
R55|R55.9|Svimning och kollaps
J18|J18.9|Pneumoni, ospecificerad
J13|J13.9|Pneumoni orsakad av Streptococcus pneumoniae
J12|J12.9|Viruspneumoni, ospecificerad
J69|J69.0|Pneumonit orsakad av föda och uppkastningar
I63|I63.9|Cerebral infarkt, ospecificerad
I61|I61.9|Intracerebral blödning, ospecificerad
S22.3|S22.3|Revbensfraktur
K25|K25.4|Magsår, kroniskt eller ospecificerat, med blödning
K92|K92.2|Gastrointestinal blödning, ospecificerad
K81|K81.0|Akut kolecystit
T30|T30.0|Brännskada på icke specificerad kroppsregion
N23|N23.9|Njurkolik, ospecificerad
N20|N20.0|Njursten
W54|W54.9|Biten eller stött av hund
A41|A41.9|Sepsis, ospecificerad
R65|R57.2|Septisk chock
K56|K56.6|Annan och icke specificerad tarmobstruktion
I26|I26.9|Lungemboli utan akut cor pulmonale
I80|I80.2|Tromboflebit i andra djupa kärl i nedre extremiteterna
R50|R50.9|Feber, ospecificerad
S72|S72.0|Fraktur på lårbenshalsen
K35|K35.8|Akut appendicit, annan och ospecificerad
K85|K85.9|Akut pankreatit, ospecificerad
K74|K74.6|Annan och icke specificerad levercirros
L03|L03.1|Cellulit på extremitet
S32|S32.0|Fraktur på ländkota
S52|S52.5|Fraktur på distala radius
G20|G20.9|Parkinsons sjukdom
V89|V89.2|Person skadad i trafikolycka med motorfordon
T14|T14.9|Skada, ospecificerad
""")


def diagnosis_from_icd(code: str) -> tuple[str, str] | None:
    """(ICD-10-SE, name) of an ICD-10-CM code, by its longest listed prefix."""
    for length in range(len(code), 2, -1):
        if (found := FROM_ICD.get(code[:length])) is not None:
            return found
    return None


# SNOMED CT → KVÅ (where it is certain), Swedish name
PROCEDURES: Final = _table("""
430193006||Läkemedelsgenomgång
52052004||Rehabilitering
274804006||Mätning av symfys-fundusmått
225158009||Auskultation av fosterljud
180256009||Subkutan immunterapi
265764009|DR016|Hemodialys
117015009||Odling från svalg
23426006||Dynamisk spirometri
169230002||Ultraljudsundersökning av foster
91251008||Fysioterapeutisk behandling
228557008||Kognitiv beteendeterapi
73761001|UJF32|Koloskopi
288086009||Sutur av hudsår
399208008||Konventionell röntgenundersökning av lungor
117010004||Odling av urin
84478008||Arbetsterapeutisk behandling
271442007||Ultraljudsundersökning av fosteranatomi
65200003||Insättning av intrauterint preventivmedel
252832004||Tonometri
16830007||Bestämning av synskärpa
55468007||Undersökning med spaltlampa
314971001||Ögonbottenfotografering
169553002||Insättning av subkutant preventivmedel
703423002||Kombinerad cytostatika- och strålbehandling
367336001||Cytostatikabehandling
80146002|JEA00|Appendektomi
18286008||Kateterablation i hjärtat
40701008||Ekokardiografi
268425006||Bäckenröntgen
301807007||Avlägsnande av mellanöredrän
65588006||Förtidsbörd, vaginal förlossning
11466000|MCA10|Kejsarsnitt
232717009||Koronar bypassoperation
415070008|FNG05|Perkutan koronarintervention
90470006|KEC00|Radikal prostatektomi
65546002||Extraktion av visdomstand
305428000||Höftprotes
609588000|NGB49|Knäprotes, total
51116004||Passiv immunisering
56251003||Nebulisering
""")


# CVX → ATC, Swedish name
VACCINES: Final = _table("""
140|J07BB02|Vaccin mot influensa, renat antigen
20|J07CA06|Difteri-tetanus-kikhosta-polio-hib-vaccin
10|J07BF03|Poliovaccin, inaktiverat
133|J07AL02|Pneumokockvaccin, konjugerat
49|J07AG01|Vaccin mot Haemophilus influenzae typ b
08|J07BC01|Hepatit B-vaccin
62|J07BM01|HPV-vaccin
113|J07AM51|Difteri-tetanusvaccin
03|J07BD52|Vaccin mot mässling, påssjuka och röda hund
83|J07BC02|Hepatit A-vaccin
119|J07BH01|Rotavirusvaccin
43|J07BC01|Hepatit B-vaccin
52|J07BC02|Hepatit A-vaccin
115|J07AJ52|Difteri-tetanus-kikhostevaccin
121|J07BK02|Vaccin mot bältros
33|J07AL01|Pneumokockvaccin, polysackarid
207|J07BN01|Vaccin mot covid-19, mRNA
208|J07BN01|Vaccin mot covid-19, mRNA
""")

# the generators' code → SNOMED CT (same substance), Swedish name, category
ALLERGIES: Final = {
    code: (snomed, name, category)
    for code, snomed, name, category in (
        ("84489001", "84489001", "Mögel", "environment"),
        ("264287008", "264287008", "Pälsdjur", "environment"),
        ("1191", "387458008", "Acetylsalicylsyra", "medication"),
        ("387458008", "387458008", "Acetylsalicylsyra", "medication"),
        ("29046", "386873009", "Lisinopril", "medication"),
        ("7984", "373270004", "Penicillin", "medication"),
        ("373270004", "373270004", "Penicillin", "medication"),
        ("782576004", "782576004", "Trädpollen", "environment"),
        ("256262001", "782576004", "Trädpollen", "environment"),
        ("10831", "387406002", "Sulfonamid", "medication"),
        ("115556009", "387406002", "Sulfonamid", "medication"),
        ("256277009", "256277009", "Gräspollen", "environment"),
        ("260147004", "260147004", "Husdammskvalster", "environment"),
        ("260219005", "260147004", "Husdammskvalster", "environment"),
        ("288328004", "288328004", "Bigift", "environment"),
        ("111088007", "111088007", "Latex", "environment"),
        ("102263004", "102263004", "Ägg", "food"),
        ("735038006", "102263004", "Ägg", "food"),
        ("5640", "387207008", "Ibuprofen", "medication"),
        ("735971005", "735971005", "Fisk", "food"),
        ("25037", "387536009", "Cefalosporin", "medication"),
        ("735029006", "735029006", "Skaldjur", "food"),
        ("762952008", "762952008", "Jordnöt", "food"),
        ("412071004", "412071004", "Vete", "food"),
        ("256355007", "256355007", "Soja", "food"),
        ("442571000124108", "13577000", "Nötter", "food"),
        ("3718001", "3718001", "Komjölk", "food"),
    )
}

REACTIONS: Final = {
    "medication": (("247472004", "Nässelutslag"), ("271807003", "Hudutslag"), ("39579001", "Anafylaxi")),
    "food": (("247472004", "Nässelutslag"), ("422587007", "Illamående"), ("39579001", "Anafylaxi")),
    "environment": (("76067001", "Nysningar"), ("9826008", "Ögonirritation"), ("267036007", "Andnöd")),
}
