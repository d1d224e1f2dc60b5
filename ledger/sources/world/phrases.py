"""What is said in the simulated world, in the scripts people really write. All names and sentences are invented."""

from typing import NamedTuple


class Tongue(NamedTuple):
    """One language with the country it is spoken in; sentences without any placeholder."""

    country: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    full_name: str
    """How a name is put together from ``{given}`` and ``{family}``."""
    company: str
    """How a company is called after a ``{family}``."""
    address: tuple[str, ...]
    """Postal addresses with a ``{number}``."""
    complaints: tuple[str, str, str, str]
    """What goes wrong with a product, a service, a technical matter and a payment, in that order."""
    request: str
    feedback: str
    suggestion: str
    compliment: str
    restatement: str
    proposal: str
    rejection: str
    reopening: str
    summaries: tuple[str, ...]
    """What was said at a contact."""


TONGUES = (
    Tongue(
        country="Germany",
        given=("Jürgen", "Anneliese", "Götz", "Käthe", "Sören", "Zoë", "Björn", "Mareike"),
        family=("Weiß", "Müllner", "Schäferling", "Großkopf", "Öhlenbach", "Hübscher", "Jäckle", "von der Höh"),
        full_name="{given} {family}",
        company="{family} & Söhne GmbH",
        address=("Lindenstraße {number}, 04315 Leipzig", "Mühlgässchen {number}, 97070 Würzburg"),
        complaints=(
            "Die Kanne kam mit einem Riss an, obwohl sie gut verpackt war.",
            "Seit einer Woche wartet das Paket angeblich „in Zustellung“.",
            "Die App stürzt ab, sobald ich die Größe ändere.",
            "Der Betrag wurde zweimal abgebucht – bitte prüfen!",
        ),
        request="Können Sie die Lieferadresse noch ändern?",
        feedback="Die neue Übersicht der Bestellungen ist ungewohnt, aber brauchbar.",
        suggestion="Ein Nachfüllpack wäre schön, dann fiele weniger Müll an.",
        compliment="Großartige Beratung am Telefon, vielen herzlichen Dank!",
        restatement="Die Kundin erhielt die Ware beschädigt; Fotos liegen vor.",
        proposal="Wir tauschen den Artikel und übernehmen das Rückporto.",
        rejection="Ein Umtausch hilft mir nicht, das Fest war gestern.",
        reopening="Auch der Ersatz ist nach drei Tagen kaputtgegangen.",
        summaries=(
            "Frage zur Rückgabefrist beantwortet.",
            "Bestellung größtenteils geklärt.",
            "Rückruf gewünscht, früh.",
        ),
    ),
    Tongue(
        country="Ireland",
        given=("Siobhán", "Pádraig", "Róisín", "Cillian", "Éabha", "Oisín", "Zoe", "Ciarán"),
        family=(
            "O’Hanrahan",
            "Ní Dhuibhir",
            "Mac Giolla",
            "Fitzmorris",
            "Brambley",
            "Ó Cléirí",
            "Kerrane",
            "Thornhill",
        ),
        full_name="{given} {family}",
        company="{family} & Daughters Ltd",
        address=("{number} Sráid na Mara, Galway", "{number} Weir Lane, Cork"),
        complaints=(
            "The lamp flickered once and died; it’s barely a fortnight old.",
            "I was passed between four people and nobody rang me back.",
            "Your site signs me out each time I open the basket.",
            "I was charged €14.90 for a delivery that was meant to be free.",
        ),
        request="Could you send me an invoice with our VAT number on it?",
        feedback="Checkout is quicker than it was last year.",
        suggestion="Please let us choose the day of delivery.",
        compliment="Your courier waited while I found my keys. Class act!",
        restatement="Customer reports the item failed within the first fortnight; receipt seen.",
        proposal="We refund the delivery charge and send a replacement today.",
        rejection="That is the same offer as before, and it still doesn’t cover my costs.",
        reopening="The refund never reached my account.",
        summaries=("Asked about opening hours over Easter.", "Talked through the returns label.", "Left a voicemail."),
    ),
    Tongue(
        country="Viet Nam",
        given=("Thuý Hằng", "Quốc Bảo", "Ngọc Ánh", "Đức Thịnh", "Mỹ Duyên", "Hữu Phước", "Kiều Oanh", "Tấn Lộc"),
        family=("Nguyễn", "Trần", "Đặng", "Phùng", "Lưu", "Quách", "Vương", "Tạ"),
        full_name="{family} {given}",
        company="Công ty TNHH {family} Phát",
        address=("{number} đường Hoa Sữa, Hà Nội", "{number} hẻm Bến Thuyền, Cần Thơ"),
        complaints=(
            "Ấm trà bị nứt, nước rỉ ra khắp bàn.",
            "Tôi chờ giao hàng ba ngày mà không ai gọi lại.",
            "Ứng dụng báo lỗi mỗi khi tôi nhập mã giảm giá.",
            "Thẻ của tôi bị trừ tiền hai lần cho một đơn hàng.",
        ),
        request="Cho tôi đổi màu sản phẩm trước khi gửi được không?",
        feedback="Hộp đóng gói đẹp, nhưng hơi khó mở.",
        suggestion="Cửa hàng nên có hướng dẫn bằng tiếng Việt.",
        compliment="Nhân viên rất nhiệt tình, cảm ơn nhiều!",
        restatement="Khách nhận hàng bị nứt, đã gửi ảnh.",
        proposal="Chúng tôi gửi sản phẩm mới và tặng phiếu mua hàng.",
        rejection="Tôi muốn hoàn tiền chứ không cần phiếu.",
        reopening="Sản phẩm thay thế cũng bị lỗi.",
        summaries=("Hỏi về thời gian giao hàng.", "Đã hướng dẫn cách đổi mật khẩu.", "Khách hẹn gọi lại buổi chiều."),
    ),
    Tongue(
        country="China",
        given=("思远", "雨桐", "嘉懿", "浩然", "梓萱", "春晓", "立群", "若曦"),
        family=("欧阳", "王", "司徒", "黎", "钟", "骆", "费", "蔺"),
        full_name="{family}{given}",
        company="{family}氏贸易有限公司",
        address=("成都市锦江区桂花巷{number}号", "青岛市市南区海棠路{number}号"),
        complaints=(
            "水壶用了两次就漏水,包装倒是完好的。",
            "等了三十分钟没有人接待,最后电话还断了。",
            "手机应用一打开订单页面就闪退。",
            "同一笔订单扣了两次款,请尽快核实。",
        ),
        request="请问可以开增值税专用发票吗?",
        feedback="新版页面看得清楚多了,就是字有点小。",
        suggestion="希望能增加夜间配送的选择。",
        compliment="客服小姐姐特别耐心,必须点赞!",
        restatement="顾客收到的水壶漏水,已核对照片与订单。",
        proposal="为您更换新品,并承担全部运费。",
        rejection="换货要等两周,我接受不了。",
        reopening="换来的新品还是漏水。",
        summaries=("咨询退货流程,已说明。", "确认收货地址。", "顾客希望下午三点后回电。"),
    ),
    Tongue(
        country="Egypt",
        given=("نادية", "طارق", "هالة", "يوسف", "ريم", "سامح", "دينا", "كريم"),
        family=("المنشاوي", "البدري", "عبد الواحد", "الجيار", "شلبي", "الطوخي", "قنديل", "الحفناوي"),
        full_name="{given} {family}",
        company="شركة {family} للتجارة",
        address=("{number} شارع الياسمين، الإسكندرية", "{number} شارع النخيل، أسوان"),
        complaints=(
            "وصل الإبريق مكسورًا رغم أن العلبة سليمة.",
            "انتظرت نصف ساعة على الهاتف ولم يردّ أحد.",
            "التطبيق يتوقف كلما حاولت الدفع.",
            "خُصم المبلغ مرتين من بطاقتي، أرجو المراجعة.",
        ),
        request="هل يمكن تغيير موعد التسليم إلى يوم الخميس؟",
        feedback="التغليف جميل، لكن التوصيل كان بطيئًا.",
        suggestion="أقترح إضافة الدفع عند الاستلام.",
        compliment="خدمة ممتازة وموظفون في غاية اللطف، شكرًا لكم!",
        restatement="استلم العميل المنتج مكسورًا، والصور مرفقة.",
        proposal="نرسل بديلًا جديدًا ونتحمّل تكاليف الشحن.",
        rejection="لا أريد بديلًا، أريد استرداد المبلغ.",
        reopening="لم يصل المبلغ المستردّ حتى الآن.",
        summaries=("استفسار عن حالة الطلب.", "تم شرح سياسة الإرجاع.", "طلب العميل معاودة الاتصال مساءً."),
    ),
    Tongue(
        country="Greece",
        given=("Ελπινίκη", "Θρασύβουλος", "Ανθή", "Λεωνίδας", "Χρυσάνθη", "Ορέστης", "Μυρτώ", "Φώτης"),
        family=("Καλλιγάς", "Παπαθωμά", "Ξυλούρη", "Βλαχάκης", "Ζερβού", "Ψαρράς", "Ιωαννίδου", "Γαλανός"),
        full_name="{given} {family}",
        company="Αφοί {family} Ο.Ε.",
        address=("Οδός Γιασεμιών {number}, Βόλος", "Λεωφόρος Αλκυόνων {number}, Χανιά"),
        complaints=(
            "Η τσαγιέρα ήρθε ραγισμένη και στάζει.",
            "Περίμενα μία ώρα και κανείς δεν με εξυπηρέτησε.",
            "Η σελίδα κολλάει όταν πατώ «Ολοκλήρωση».",
            "Με χρεώσατε δύο φορές για την ίδια παραγγελία.",
        ),
        request="Μπορώ να παραλάβω την παραγγελία από το κατάστημα;",
        feedback="Η νέα συσκευασία είναι καλύτερη, αλλά βαριά.",
        suggestion="Θα ήταν χρήσιμο ένα πρόγραμμα συνδρομής.",
        compliment="Εξαιρετική εξυπηρέτηση, σας ευχαριστώ πολύ!",
        restatement="Η πελάτισσα παρέλαβε ραγισμένο προϊόν· υπάρχουν φωτογραφίες.",
        proposal="Στέλνουμε νέο προϊόν χωρίς καμία χρέωση.",
        rejection="Δεν θέλω άλλο προϊόν, θέλω τα χρήματά μου.",
        reopening="Το πρόβλημα εμφανίστηκε ξανά μετά την επισκευή.",
        summaries=("Ερώτηση για τον χρόνο παράδοσης.", "Εξηγήθηκε η επιστροφή.", "Ζήτησε να τον καλέσουμε αύριο."),
    ),
    Tongue(
        country="Ukraine",
        given=("Соломія", "Ярослав", "Ївга", "Тарас", "Олеся", "Назар", "Мирослава", "Остап"),
        family=("Ґонтаренко", "Вербицька", "Стельмащук", "Польовий", "Калиновська", "Щербань", "Журавель", "Криничний"),
        full_name="{given} {family}",
        company="ТОВ «{family} і партнери»",
        address=("вул. Вишнева, {number}, Львів", "вул. Тиха, {number}, Чернівці"),
        complaints=(
            "Чайник протікає, хоча я ввімкнула його лише двічі.",
            "Мене тричі перемикали й так ніхто й не відповів.",
            "Застосунок закривається, щойно я відкриваю кошик.",
            "З картки двічі зняли гроші за одне замовлення.",
        ),
        request="Чи можна отримати рахунок-фактуру на фірму?",
        feedback="Сайт став швидшим, але пошук ще плутає розміри.",
        suggestion="Додайте, будь ласка, самовивіз у вихідні.",
        compliment="Кур’єр був дуже чемний, щиро дякую!",
        restatement="Клієнтка отримала пошкоджений товар; фото додано.",
        proposal="Надішлемо новий товар і повернемо вартість доставки.",
        rejection="Мене це не влаштовує, я чекаю вже місяць.",
        reopening="Після ремонту чайник знову протікає.",
        summaries=("Питання про строк доставки.", "Пояснено, як оформити повернення.", "Просили передзвонити ввечері."),
    ),
)
"""Latin with diacritics, Han, Arabic, Greek and Cyrillic."""

MOODS = (" 😡", " 🙏", " 😊👍🏽", " 👩‍👧 ❤️", " 🤷‍♂️")
"""What people add to their words; with skin tones and joiners, as they come from telephones."""

STAFF = ("mei.lin", "o.nwosu", "j.weiss", "s.ohara", "t.tran", "k.papas", "l.haddad", "y.koval", "a.ruiz", "n.sato")
"""The agents who handle cases."""
SUPERVISORS = ("d.okafor", "h.brandt", "r.iyer")
"""Those who decide on what is above an agent's authority."""
ADMIN = "c.marin"
"""Who publishes the policies."""
DEPARTMENTS = ("customer care", "returns desk", "technical support", "billing")
"""Where handlers work."""


class Article(NamedTuple):
    """Something that can be bought."""

    sku: str
    name: str
    category: str
    price_minor: int
    """List price of one piece, in minor units."""


ASSORTMENT = tuple(
    Article(f"{category[:3].upper()}-{number:03}", name, category, price)
    for category, articles in {
        "kitchen": {
            "tea strainer": 390,
            "enamel mug": 890,
            "chopping board": 2450,
            "kettle": 5990,
            "copper pan": 14900,
        },
        "garden": {"seed mix": 250, "hand trowel": 1190, "watering can": 2990, "bench": 18900, "greenhouse": 74900},
        "stationery": {"pencil": 120, "notebook": 650, "ink bottle": 1480, "fountain pen": 8900, "desk pad": 3400},
        "textiles": {"tea towel": 590, "cushion": 2290, "wool throw": 7900, "curtain": 6400, "carpet": 39900},
        "lighting": {"candle": 340, "lantern": 1990, "desk lamp": 6900, "floor lamp": 15900, "chandelier": 89900},
        "toys": {"marbles": 280, "kite": 1590, "wooden train": 4490, "doll’s house": 12900, "rocking horse": 21900},
    }.items()
    for number, (name, price) in enumerate(articles.items(), 1)
)
"""What the shop of the simulated world sells."""
