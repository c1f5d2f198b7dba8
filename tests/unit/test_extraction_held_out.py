"""Messages written after the rules; their first score was 0.725 exact in each language.

Some of the gaps that they showed were closed since, so they are a guard now, not a measure.
"""

# ruff: noqa: E501  one case a line, so that the cases read as a table
# fmt: off

from __future__ import annotations

from actors.extraction.scoring import score
from tests.unit.test_extraction_support import Row, case_of, memories_of

ENGLISH: list[Row] = [
    (
        "2026-03-04",
        "Vet with Biscuit, this Friday 5pm, fingers crossed it's just the ear again",
        "episodic:vet@2026-03-06",
    ),
    (
        "2026-03-04",
        "The kids' swimming gala was the day before yesterday and Tilda came second in butterfly!",
        "episodic:gala@2026-03-02",
    ),
    (
        "2026-03-04",
        "four days ago the kiln exploded at the pottery. nobody hurt thankfully",
        "episodic:kiln@2026-02-28",
    ),
    (
        "2026-06-03",
        "Picking up the hire van on the 11th of June, remind me to bring both licences",
        "episodic:van@2026-06-11",
    ),
    (
        "2026-06-03",
        "Choir rehearsal's been pushed from Thursday to Sunday",
        "episodic:choir@2026-06-07 <thursday",
    ),
    (
        "2026-06-03",
        "When I was nine I got locked in a museum overnight. Best night of my life, honestly.",
        "episodic:museum",
    ),
    (
        "2026-06-03",
        "last weekend we finally scattered grandad's ashes at Rhossili",
        "episodic:ashes@2026-05-30/2026-05-31",
    ),
    (
        "2026-06-03",
        "My visa interview is in two weeks and I can't sleep",
        "episodic:visa@2026-06-17",
    ),
    ("2026-03-04", "I repair church organs, been at it since 1998", "core:organs"),
    ("2026-03-04", "It's Benjamin on the passport but please, Benji", "core:benji"),
    (
        "2026-03-04",
        "I can't have penicillin, ended up in A&E over it once",
        "core:penicillin; ?episodic",
    ),
    ("2026-03-04", "Born in Lagos, living in Antwerp these days", "core:antwerp"),
    (
        "2026-03-04",
        "we've got a four year old and twin babies so be gentle with me before 8am",
        "core:twin",
    ),
    (
        "2026-03-04",
        "Olives. I loathe olives. Don't put olives in anything you plan for me.",
        "core:olives",
    ),
    ("2026-03-04", "I'm studying marine biology at Galway, second year", "core:marine biology"),
    (
        "2026-03-04",
        "How do I get to the airport from here? I use a wheelchair so stairs are out",
        "core:wheelchair",
    ),
    (
        "2026-03-04",
        "My aunt Roswitha restores harpsichords in a barn near Trier",
        "semantic:roswitha,harpsichords",
    ),
    (
        "2026-03-04",
        "The printer on the third floor jams if you use recycled paper",
        "semantic:printer,recycled",
    ),
    (
        "2026-03-04",
        "Did you know octopuses have three hearts? Two of them stop when they swim.",
        "semantic:octopus",
    ),
    (
        "2026-03-04",
        "In our family a 'Tuesday face' is what you pull when the gravy's gone cold",
        "semantic:tuesday face,gravy",
    ),
    ("2026-03-04", "Jonas from accounts can't eat anything with sesame", "semantic:jonas,sesame"),
    (
        "2026-03-04",
        "Turns out Fenwick's mum was an Olympic fencer. She still trains every morning!",
        "semantic:fencer",
    ),
    ("2026-03-04", "The key safe outside the cottage opens with 5583", "vault:key safe=5583"),
    (
        "2026-03-04",
        "My Netflix password is Marmalade_Tuba7 if you need to log in for me",
        "vault:netflix=Marmalade_Tuba7",
    ),
    (
        "2026-03-04",
        "Granny moved, write to her at 7 Orchard Close, Little Wenlow from now on",
        "vault:granny=7 Orchard Close, Little Wenlow; ?semantic; ?episodic",
    ),
    (
        "2026-03-04",
        "You can reach the childminder on 07700 900 318",
        "vault:childminder=07700 900 318",
    ),
    ("2026-03-04", "car insurance policy: HX-4471-2093-B", "vault:insurance=HX-4471-2093-B"),
    (
        "2026-03-04",
        "Bike lock is 4-9-1-6 now, I changed it because my brother knew the old one",
        "vault:bike=4-9-1-6",
    ),
    (
        "2026-03-04",
        "Packing the tent right: first shake out the sand, then fold the poles, then roll it towards the door, finally squeeze the air out",
        "procedural:tent#4",
    ),
    (
        "2026-03-04",
        "Monthly backup, so I stop forgetting: plug in the drive > run the script > unplug > put it in the fire safe",
        "procedural:backup#4",
    ),
    (
        "2026-03-04",
        "Step 1: soak the beans. Step 2: rinse them twice. Step 3: simmer for an hour.",
        "procedural:beans#3",
    ),
    (
        "2026-03-04",
        "bookmark this for the garden project https://grow.example.org/raised-beds-71",
        "resource:raised-beds-71",
    ),
    (
        "2026-03-04",
        "The survey report is in the shared folder, survey_2026_final.docx",
        "resource:survey_2026_final.docx",
    ),
    (
        "2026-03-04",
        'Need to read "A Cartography of Moss" by Ines Vidal at some point, put it on the list',
        "resource:cartography of moss",
    ),
    ("2026-03-04", "cheers, exactly what I needed", ""),
    ("2026-03-04", "Should I repot the ficus before summer or wait until next month?", ""),
    ("2026-03-04", "Suppose I quit tomorrow and became a shepherd, would you still talk to me", ""),
    (
        "2026-03-04",
        'Rewrite this so it sounds friendlier: "My flight is on Friday and I won\'t wait."',
        "",
    ),
    (
        "2026-06-03",
        "I'm a sign language interpreter. Next Tuesday I'm doing my first court hearing, eek",
        "core:interpreter; episodic:court@2026-06-09",
    ),
    (
        "2026-06-03",
        "Update: Milena doesn't work at the aquarium any more, she's at the planetarium",
        "semantic:milena,planetarium <aquarium",
    ),
]
CHINESE: list[Row] = [
    ("2026-03-04", "这周五下午带毛毛去看兽医，希望别又是耳朵", "episodic:兽医@2026-03-06"),
    ("2026-03-04", "前天学校运动会，闺女跑接力拿了第二！", "episodic:接力@2026-03-02; ?semantic"),
    ("2026-03-04", "四天前陶艺工作室的窑炸了，还好没人受伤", "episodic:窑@2026-02-28"),
    ("2026-06-03", "6月11号去提车，提醒我把两本证都带上", "episodic:提车@2026-06-11"),
    ("2026-06-03", "合唱排练从周四挪到周日了", "episodic:合唱@2026-06-07 <周四"),
    ("2026-06-03", "九岁那年我被锁在博物馆里一整夜，说起来还挺好玩", "episodic:博物馆"),
    ("2026-06-03", "上周末终于把爷爷的骨灰送回老家了", "episodic:骨灰@2026-05-30/2026-05-31"),
    ("2026-06-03", "两周后面签，紧张得睡不着", "episodic:面签@2026-06-17"),
    ("2026-03-04", "我修管风琴的，干这行二十来年了", "core:管风琴"),
    ("2026-03-04", "身份证上是陈本铭，不过大家都喊我本本", "core:本本"),
    ("2026-03-04", "我不能打青霉素，会休克", "core:青霉素"),
    ("2026-03-04", "我是绍兴人，现在在安特卫普定居", "core:安特卫普"),
    ("2026-03-04", "家里一个四岁的加一对双胞胎，早上八点前别指望我清醒", "core:双胞胎"),
    ("2026-03-04", "香菜！我这辈子都接受不了香菜，做计划千万别放", "core:香菜"),
    ("2026-03-04", "我在青岛读海洋生物，大二", "core:海洋生物"),
    ("2026-03-04", "去机场怎么走方便？我坐轮椅，楼梯不行", "core:轮椅"),
    ("2026-03-04", "我小姨专门修古钢琴，作坊在郊区一个谷仓里", "semantic:小姨,古钢琴"),
    ("2026-03-04", "三楼那台打印机一用再生纸就卡", "semantic:打印机,再生纸"),
    ("2026-03-04", "你知道吗，章鱼有三颗心脏，游泳的时候会停两颗", "semantic:章鱼"),
    ("2026-03-04", "我们家说“星期二脸”，就是汤凉了时的那种表情", "semantic:星期二脸,汤"),
    ("2026-03-04", "财务部的乔娜吃不了芝麻，点外卖注意", "semantic:乔娜,芝麻"),
    ("2026-03-04", "没想到方维他妈以前是击剑国手，现在每天早上还练", "semantic:击剑"),
    ("2026-03-04", "小院门口的钥匙盒密码5583", "vault:钥匙盒=5583"),
    (
        "2026-03-04",
        "我的视频会员密码是 Marmalade_Tuba7，要登录就用这个",
        "vault:会员=Marmalade_Tuba7",
    ),
    (
        "2026-03-04",
        "外婆搬家了，以后信寄到云栖市小文区果园路7号2栋101",
        "vault:外婆=云栖市小文区果园路7号2栋101; ?semantic; ?episodic",
    ),
    ("2026-03-04", "保姆小田的电话是 19900003318", "vault:小田=19900003318; ?semantic"),
    ("2026-03-04", "车险保单号：HX-4471-2093-B", "vault:保单=HX-4471-2093-B"),
    ("2026-03-04", "自行车锁现在是4916，老密码我弟知道就换了", "vault:自行车锁=4916"),
    (
        "2026-03-04",
        "收帐篷的正确姿势：先抖沙子，再拆杆，然后朝门的方向卷，最后把气挤出来",
        "procedural:帐篷#4",
    ),
    ("2026-03-04", "每月备份：插硬盘 > 跑脚本 > 拔掉 > 放回防火箱", "procedural:备份#4"),
    (
        "2026-03-04",
        "煮豆子。第一步：泡一晚。第二步：淘两遍。第三步：小火煮一小时。",
        "procedural:豆子#3",
    ),
    (
        "2026-03-04",
        "这个链接做菜园的时候要用，先留着 https://grow.example.org/raised-beds-71",
        "resource:raised-beds-71",
    ),
    ("2026-03-04", "勘测报告在共享文件夹里，叫 勘测_终稿.docx", "resource:勘测_终稿.docx"),
    ("2026-03-04", "有空想看《苔藓地图》，帮我加到书单", "resource:苔藓地图"),
    ("2026-03-04", "好嘞，正是我要的，谢啦", ""),
    ("2026-03-04", "榕树是夏天前换盆好，还是下个月再换？", ""),
    ("2026-03-04", "假设我明天辞职去放羊，你还会理我吗", ""),
    ("2026-03-04", "帮我把这句改得客气点：“我周五的飞机，不等人。”", ""),
    (
        "2026-06-03",
        "我是手语翻译，下周二第一次上法庭，慌",
        "core:手语翻译; episodic:法庭@2026-06-09",
    ),
    (
        "2026-06-03",
        "更新一下，米莲娜不在海洋馆上班了，现在在天文馆",
        "semantic:米莲娜,天文馆 <海洋馆",
    ),
]


def test_rules_keep_their_quality_when_messages_are_unseen() -> None:
    """Exact accuracy stays at 0.60 and precision at 0.75 in both languages; no secret shows."""
    cases = [case_of(row, i, "en") for i, row in enumerate(ENGLISH)]
    cases += [case_of(row, i, "zh") for i, row in enumerate(CHINESE)]

    report = score(cases, [memories_of(case) for case in cases])

    for lang, scored in report.languages.items():
        assert scored.accuracy >= 0.60, (lang, scored.wrong_ids)
        assert scored.secret_leaks == 0
        assert all(tier.precision >= 0.75 for tier in scored.tiers.values()), scored.tiers
