"""Small grammars, one per language, from which `sentences.py` draws the sentences of the built-in
corpus.

A grammar maps a symbol to its alternatives; a word in braces is a symbol to expand. "{sentence}" is
the start symbol. The sentences only need to sound plausible. They must contain all sounds of the
language in many contexts, in statements, questions, exclamations, lists, short commands and
numbers.
"""

Grammar = dict[str, tuple[str, ...]]


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))


ENGLISH: Grammar = {
    "sentence": _words(
        "{subject} {verb} {object} {place}.|{subject} {verb} {object} {when}.|"
        "{subject} {verb} {object}, and {clause}.|{when}, {clause}.|Why did {someone} {bare} "
        "{object} {when}?|"
        "Would you {bare} {object}, please?|If {clause}, {clause}.|{clause}, but {clause}.|"
        "What a {adjective} {noun} that was!|"
        "We need {number} {adjective} {plural}, {number} {plural}, and {number} {plural}.|"
        "{opinion} the {noun} {place} is {adjective}.|Please {bare} {object} before {someone} "
        "comes back.|"
        "Nobody {place} {verb} {object}.|{subject} never {verb} {object}, because "
        "{clause}.|{greeting} {clause}.|"
        "Room {letter} {digit}, gate {letter} {digit}, then turn {direction}.|"
        "The code is {letter} {digit} {letter} {digit}, {when}.|"
        "{number} {plural} and {number} {plural} make a {noun}.|Have you {participle} {object}?|"
        "{subject} {be} {adjective}, {adjective} and {adjective}.|{opinion} {clause}.|"
        "Put the {adjective} {noun} {place}.|Who {verb} {object}, and why?|Stop! {clause}.|"
        "{someone} said that {clause}.|{bare} {object} now, {name}."
    ),
    "clause": _words(
        "{subject} {verb} {object}|{subject} {be} {adjective} {when}|{object} {be} {place}|"
        "we {verb} {object} {when}|it was a {adjective} {noun}|there were {number} {plural} "
        "{place}|"
        "they {verb} {object} for {number} {period}"
    ),
    "subject": _words(
        "{someone}|the {adjective} {person}|my {person}|our {person}|a {person} from "
        "{city}|{name} and {name}"
    ),
    "someone": _words("{name}|the {person}|my {person}|her {person}|everybody|somebody"),
    "object": _words(
        "the {noun}|a {adjective} {noun}|his {noun}|her {adjective} {noun}|some {plural}|all the "
        "{plural}|"
        "{number} {plural}|the {noun} of the {person}|that {noun}"
    ),
    "name": _words(
        "Anna|Peter|Mary|Bob|Philip|Emma|Victor|Julia|George|Fiona|Maya|Thomas|Ruth|Oliver|Zoe|William|Chloe|"
        "Hugh|Barbara|Steve|Priya|Omar|Beth|Wayne|Joyce|Matthew|Pamela"
    ),
    "city": _words(
        "Paris|London|Bombay|Rome|Vienna|Boston|Cairo|Moscow|Lima|Oslo|Perth|the village|the "
        "harbour"
    ),
    "person": _words(
        "mother|brother|father|neighbour|teacher|farmer|pilot|baker|doctor|captain|president|child|woman|boy|"
        "judge|shepherd|painter|lawyer|musician|cousin|manager|author|gardener|driver|bishop|king|youth|thief"
    ),
    "noun": _words(
        "house|map|puppy|window|bottle|boat|river|mountain|garden|violin|wheel|ship|bridge|paper|treasure|church|"
        "table|chair|problem|question|answer|picture|book|letter|shoe|moon|flower|village|summer|kitchen|measure|"
        "journey|coffee|apple|cheese|weather|umbrella|machine|memory|bath|mouth|cloth|voice|fire|job|beach|fog|"
        "world|law|room|thought|farm|heart|cab|computer|library|vegetable|museum|holiday|future|engine|"
        "photograph|mirror|poem|oven|palm"
    ),
    "plural": _words(
        "people|boxes|babies|wolves|apples|children|friends|papers|pages|months|weeks|shoes|fish|roads|cups|maps|"
        "boots|buttons|thieves|birds|stories|photographs|mushrooms|numbers|voices|teeth|bees|lamps|oranges|"
        "windows|potatoes|rooms|leaves"
    ),
    "adjective": _words(
        "blue|old|warm|very "
        "beautiful|broken|famous|quiet|happy|heavy|wooden|yellow|small|huge|empty|important|"
        "bright|smooth|thick|foolish|brave|soft|bitter|young|narrow|lovely|fresh|wild|patient|purple|awful|"
        "rather "
        "cheap|strange|wet|curious|cheerful|poor|good|bad|perfect|impossible|marvellous|five-year-old"
    ),
    "verb": _words(
        "saw|found|moved|bought|painted|forgot|opened|followed|wanted|brought|loved|measured|washed|broke|pushed|"
        "remembered|carried|showed|fixed|changed|threw|watched|chose|kept|lost|heard|gave "
        "away|asked about|"
        "thought of|looked for|wrote about|jumped over|sat beside|spoke about|believed in|paid "
        "for|walked past"
    ),
    "bare": _words(
        "see|find|move|buy|paint|open|follow|bring|measure|wash|break|push|remember|carry|show|fix|change|throw|"
        "watch|choose|keep|hear|give away|look for|write about|pick up|think about|put "
        "down|shut|forget|wrap"
    ),
    "participle": _words(
        "seen|found|moved|bought|painted|forgotten|opened|measured|washed|broken|thrown|"
        "chosen|heard|put away"
    ),
    "be": _words("was|were never|seemed|became|looked|might be|should have been|will be"),
    "place": _words(
        "near the {noun}|by the {noun}|behind the {noun}|under the {adjective} {noun}|in "
        "{city}|above the {noun}|"
        "on the {noun}|far from {city}|between the {noun} and the {noun}|over there"
    ),
    "when": _words(
        "yesterday|this morning|last {period}|before the {noun}|every Friday|in {month}|at half "
        "past {number}|"
        "{number} {period} ago|after the {noun}|once upon a time|tomorrow evening|for the first "
        "time"
    ),
    "month": _words(
        "January|February|March|April|May|June|July|August|September|October|November|December"
    ),
    "period": _words("week|month|year|summer|hours|days|minutes|years|weeks|mornings"),
    "number": _words(
        "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty-one|forty|fifty-five|"
        "a hundred|a thousand"
    ),
    "letter": _words("A|B|C|D|E|F|G|H|I|J|K|L|M|N|O|P|Q|R|S|T|U|V|W|X|Y|Z"),
    "digit": _words("zero|one|two|three|four|five|six|seven|eight|nine"),
    "direction": _words("left|right|around|back|north|south|west|up|down"),
    "opinion": _words(
        "I think|I hope|You know,|We believe that|Perhaps|To be honest,|I am sure that|It seems "
        "that|Of course"
    ),
    "greeting": _words(
        "Good morning,|Hello,|My dear friend,|Well,|Oh,|Ladies and gentlemen,|Yes,|No,|Thank "
        "you,|Wow,"
    ),
}

SPANISH: Grammar = {
    "sentence": _words(
        "{subject} {verb} {object} {place}.|{when}, {subject} {verb} {object}.|"
        "¿Por qué {verb} {subject} {object}?|{opinion} {subject} {verb} {object}.|"
        "{subject} {verb} {object}, pero {subject} {verb} {object}.|Hay {number} {plural} {place}.|"
        "¡Qué bonito es {object}!|Si {subject} {verb} {object}, {opinion} no importa.|"
        "Necesitamos {number} {plural}, {number} {plural} y {number} {plural}."
    ),
    "subject": _words(
        "mi madre|el vecino|la maestra|nuestro amigo|el rey|Juan|María|el pescador|la abuela|"
        "un muchacho de Bolivia|Felipe|el jefe"
    ),
    "verb": _words(
        "compró|vio|buscaba|abrió|pintó|olvidó|movió|llevaba|rompió|quería|guardó|perdió|bebía|vendió|mira|encuentra"
    ),
    "object": _words(
        "la casa|un libro viejo|el mapa|una flor amarilla|su bicicleta|el vino|la puerta azul|un "
        "perro pequeño|"
        "el problema|muchas manzanas|su guitarra|la llave|el jabón|un viaje largo"
    ),
    "place": _words(
        "cerca del río|en la plaza|debajo del puente|junto a la ventana|en Buenos Aires|detrás de "
        "la iglesia|"
        "sobre la mesa"
    ),
    "when": _words(
        "ayer|esta mañana|hace dos semanas|en febrero|después de la lluvia|todos los viernes|a "
        "mediodía"
    ),
    "number": _words("dos|tres|cuatro|cinco|seis|siete|ocho|nueve|veinte|cien"),
    "plural": _words(
        "libros|barcos|zapatos|amigos|plumas|lámparas|ovejas|mujeres|jóvenes|bombones|huevos|palomas"
    ),
    "opinion": _words("creo que|me parece que|dicen que|es verdad que|sabemos que"),
}

FRENCH: Grammar = {
    "sentence": _words(
        "{subject} {verb} {object} {place}.|{when}, {subject} {verb} {object}.|"
        "Pourquoi est-ce que {subject} {verb} {object}?|{opinion} {subject} {verb} {object}.|"
        "{subject} {verb} {object}, mais {subject} {verb} {object}.|Il y a {number} {plural} "
        "{place}.|"
        "Quelle belle histoire, {object}!|Nous voulons {number} {plural}, {number} {plural} et "
        "{number} {plural}."
    ),
    "subject": _words(
        "ma mère|le voisin|la boulangère|notre ami|le roi|Jean|Sophie|le pêcheur|mon oncle|un "
        "jeune homme|"
        "Philippe|le peuple"
    ),
    "verb": _words(
        "a vu|cherche|ouvre|a peint|oublie|a bougé|porte|a cassé|voulait|garde|a "
        "perdu|boit|vend|regarde|trouve|"
        "a vécu avec"
    ),
    "object": _words(
        "la maison|un vieux livre|le chemin|une fleur jaune|sa voiture|le bon vin|la porte "
        "bleue|un petit chien|"
        "le problème|beaucoup de pommes|son chapeau|la lumière|du beurre|un long voyage"
    ),
    "place": _words(
        "près du fleuve|sur la place|sous le pont|devant la fenêtre|à Bordeaux|derrière "
        "l'église|au bout de la rue"
    ),
    "when": _words(
        "hier|ce matin|il y a deux semaines|en février|après la pluie|tous les jeudis|à "
        "midi|dimanche prochain"
    ),
    "number": _words("deux|trois|quatre|cinq|six|sept|huit|neuf|vingt|cent"),
    "plural": _words(
        "livres|bateaux|chaussures|amis|plumes|lampes|moutons|femmes|champignons|bonbons|œufs|jupes"
    ),
    "opinion": _words("je crois que|il me semble que|on dit que|c'est vrai que|nous savons que"),
}

GERMAN: Grammar = {
    "sentence": _words(
        "{subject} {verb} {object} {place}.|{when} {verb} {subject} {object}.|Warum {verb} "
        "{subject} {object}?|"
        "{opinion} {subject} {verb} {object}.|{subject} {verb} {object}, aber {subject} {verb} "
        "{object}.|"
        "Es gibt {number} {plural} {place}.|Wie schön ist {object}!|"
        "Wir brauchen {number} {plural}, {number} {plural} und {number} {plural}."
    ),
    "subject": _words(
        "meine Mutter|der Nachbar|die Lehrerin|unser Freund|der König|Hans|Sophie|der Fischer|die "
        "Großmutter|"
        "ein Junge aus Bonn|Philipp|das Volk"
    ),
    "verb": _words(
        "kaufte|sah|suchte|öffnete|malte|vergaß|bewegte|brachte|zerbrach|wollte|behielt|verlor|trinkt|verkauft|"
        "findet|liebt"
    ),
    "object": _words(
        "das Haus|ein altes Buch|den Weg|eine gelbe Blume|das Fahrrad|den Wein|die blaue "
        "Tür|einen kleinen Hund|"
        "das Problem|viele Äpfel|den Schlüssel|das Feuer|die Brücke|eine lange Reise"
    ),
    "place": _words(
        "am Fluss|auf dem Markt|unter der Brücke|neben dem Fenster|in München|hinter der "
        "Kirche|über dem Tisch"
    ),
    "when": _words(
        "gestern|heute früh|vor zwei Wochen|im Februar|nach dem Regen|jeden Freitag|um halb fünf"
    ),
    "number": _words("zwei|drei|vier|fünf|sechs|sieben|acht|neun|zwanzig|hundert"),
    "plural": _words(
        "Bücher|Boote|Schuhe|Freunde|Federn|Lampen|Schafe|Frauen|Pilze|Kinder|Eier|Wölfe"
    ),
    "opinion": _words("ich glaube,|man sagt,|wir wissen,|es stimmt,|vielleicht, so denke ich,"),
}

ITALIAN: Grammar = {
    "sentence": _words(
        "{subject} {verb} {object} {place}.|{when} {subject} {verb} {object}.|Perché {subject} "
        "{verb} {object}?|"
        "{opinion} {subject} {verb} {object}.|{subject} {verb} {object}, ma {subject} {verb} "
        "{object}.|"
        "Ci sono {number} {plural} {place}.|Che bella cosa, {object}!|"
        "Vogliamo {number} {plural}, {number} {plural} e {number} {plural}."
    ),
    "subject": _words(
        "mia madre|il vicino|la maestra|il nostro amico|il re|Giovanni|Sofia|il pescatore|la nonna|"
        "un ragazzo di Bologna|Filippo|il popolo"
    ),
    "verb": _words(
        "compra|ha visto|cercava|apre|dipinge|ha dimenticato|muove|portava|ha "
        "rotto|voleva|vende|beve|guarda|"
        "trova|ha perso"
    ),
    "object": _words(
        "la casa|un vecchio libro|la mappa|un fiore giallo|la bicicletta|il vino|la porta azzurra|"
        "un piccolo cane|il problema|molte mele|la chiave|il fuoco|il ponte|un lungo viaggio"
    ),
    "place": _words(
        "vicino al fiume|in piazza|sotto il ponte|alla finestra|a Bologna|dietro la chiesa|sopra "
        "il tavolo"
    ),
    "when": _words(
        "ieri|stamattina|due settimane fa|a febbraio|dopo la pioggia|ogni venerdì|a mezzogiorno"
    ),
    "number": _words("due|tre|quattro|cinque|sei|sette|otto|nove|venti|cento"),
    "plural": _words(
        "libri|barche|scarpe|amici|piume|lampade|pecore|donne|funghi|bambini|uova|lupi"
    ),
    "opinion": _words("credo che|mi sembra che|dicono che|è vero che|sappiamo che"),
}

PORTUGUESE: Grammar = {
    "sentence": _words(
        "{subject} {verb} {object} {place}.|{when}, {subject} {verb} {object}.|"
        "Por que {subject} {verb} {object}?|{opinion} {subject} {verb} {object}.|"
        "{subject} {verb} {object}, mas {subject} {verb} {object}.|Há {number} {plural} {place}.|"
        "Que bonito, {object}!|Queremos {number} {plural}, {number} {plural} e {number} {plural}."
    ),
    "subject": _words(
        "minha mãe|o vizinho|a professora|nosso amigo|o rei|João|Maria|o pescador|a avó|um menino "
        "de Lisboa|"
        "Felipe|o povo"
    ),
    "verb": _words(
        "comprou|viu|buscava|abriu|pintou|esqueceu|moveu|levava|quebrou|queria|guardou|perdeu|bebia|vendeu|encontra"
    ),
    "object": _words(
        "a casa|um livro velho|o mapa|uma flor amarela|a bicicleta|o vinho|a porta azul|um "
        "cachorro pequeno|"
        "o problema|muitas maçãs|a chave|o fogo|a ponte|uma longa viagem"
    ),
    "place": _words(
        "perto do rio|na praça|debaixo da ponte|junto à janela|em Lisboa|atrás da igreja|sobre a "
        "mesa"
    ),
    "when": _words(
        "ontem|esta manhã|há duas semanas|em fevereiro|depois da chuva|toda sexta-feira|ao meio-dia"
    ),
    "number": _words("dois|três|quatro|cinco|seis|sete|oito|nove|vinte|cem"),
    "plural": _words(
        "livros|barcos|sapatos|amigos|plumas|lâmpadas|ovelhas|mulheres|jovens|bombons|ovos|pombos"
    ),
    "opinion": _words("acho que|parece que|dizem que|é verdade que|sabemos que"),
}

CHINESE: Grammar = {
    "sentence": _words(
        "{subject}{when}{place}{verb}{object}。|{when}，{subject}{verb}{object}。|"
        "{subject}为什么{verb}{object}？|{opinion}，{subject}{verb}{object}。|"
        "{subject}{verb}{object}，但是{subject}{verb}{object}。|{place}有{number}{plural}。|{object}真漂亮！|"
        "我们要{number}{plural}，{number}{plural}，还有{number}{plural}。"
    ),
    "subject": _words("我妈妈|邻居|老师|我们的朋友|国王|小明|王芳|农民|奶奶|一个学生|医生|他爸爸"),
    "verb": _words("买了|看见了|找到|打开|画了|忘记了|喜欢|带来了|卖了|想要|丢了|保护|拍了"),
    "object": _words(
        "房子|一本旧书|地图|黄色的花|自行车|苹果|蓝色的门|小狗|这个问题|很多面包|钥匙|茶杯|一座桥|他的帽子"
    ),
    "place": _words("在河边|在广场上|在桥下面|在窗户旁边|在北京|在学校后面|在桌子上"),
    "when": _words("昨天|今天早上|两个星期以前|二月|下雨以后|每个星期五|中午"),
    "number": _words("两个|三个|四个|五个|六个|七个|八个|九个|二十个|一百个"),
    "plural": _words("包子|朋友|苹果|孩子|蘑菇|杯子|鸡蛋|瓶子|房间|问题"),
    "opinion": _words("我觉得|听说|大家都知道|说实话|他告诉我"),
}

DUTCH: Grammar = {
    "sentence": _words(
        "{subject} {verb} {object} {place}.|{when} {verb} {subject} {object}.|Waarom {verb} "
        "{subject} {object}?|"
        "{opinion} {subject} {verb} {object}.|Er zijn {number} {plural} {place}.|Wat mooi, "
        "{object}!"
    ),
    "subject": _words(
        "mijn moeder|de buurman|de lerares|onze vriend|de koning|Jan|Sofie|de visser|een jongen "
        "uit Breda"
    ),
    "verb": _words("kocht|zag|zoekt|opende|vergat|bracht|brak|wilde|verloor|drinkt|verkoopt|vindt"),
    "object": _words(
        "het huis|een oud boek|de weg|een gele bloem|de fiets|de wijn|de blauwe deur|een kleine "
        "hond|veel appels|"
        "de sleutel|het vuur"
    ),
    "place": _words(
        "bij de rivier|op de markt|onder de brug|naast het raam|in Utrecht|achter de kerk"
    ),
    "when": _words("gisteren|vanmorgen|twee weken geleden|in februari|na de regen|elke vrijdag"),
    "number": _words("twee|drie|vier|vijf|zes|zeven|acht|negen|twintig|honderd"),
    "plural": _words("boeken|boten|schoenen|vrienden|veren|lampen|schapen|vrouwen|bomen|wolven"),
    "opinion": _words("ik denk dat,|men zegt,|wij weten,|misschien, dacht ik,"),
}

RUSSIAN: Grammar = {
    "sentence": _words(
        "{subject} {verb} {object} {place}.|{when} {subject} {verb} {object}.|Почему {subject} "
        "{verb} {object}?|"
        "{opinion}, {subject} {verb} {object}.|Какая красота, {object}!|{when} {place} {subject} "
        "{verb} {object}."
    ),
    "subject": _words(
        "наш сосед|мой брат|учитель|король|Иван|рыбак|дедушка|молодой человек|Борис|врач"
    ),
    "verb": _words(
        "купил|увидел|искал|открыл|забыл|принёс|сломал|хотел|потерял|выпил|продал|нашёл|любил"
    ),
    "object": _words(
        "большой дом|старую книгу|карту|жёлтый цветок|велосипед|вино|голубую дверь|маленькую "
        "собаку|много яблок|"
        "ключ|мост"
    ),
    "place": _words("у реки|на площади|под мостом|возле окна|в Москве|за церковью|на столе"),
    "when": _words("вчера|сегодня утром|две недели назад|в феврале|после дождя|каждую пятницу"),
    "opinion": _words("я думаю|говорят|мы знаем|по-моему|может быть"),
}

GRAMMARS: dict[str, Grammar] = {
    "en": ENGLISH,
    "es": SPANISH,
    "fr": FRENCH,
    "de": GERMAN,
    "it": ITALIAN,
    "pt": PORTUGUESE,
    "zh": CHINESE,
    "nl": DUTCH,
    "ru": RUSSIAN,
}
