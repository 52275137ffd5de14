/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/fact.h"

/* __thp_vma_allowable_orders() of Debian's kernels, and vma_is_special_huge() where that calls it, as they
 * are in memory: compilers from gcc 12 to 16, with and without the exemption. */
static const struct thp_code {
        const char *release;
        unsigned ops_offset; /* of vm_ops in struct vm_area_struct */
        bool typed;          /* has enum tva_type */
        enum fact_value exempt;
        uint64_t flags, thunk; /* where transparent_hugepage_flags and __x86_return_thunk are */
        struct {
                uint64_t address;
                unsigned size;
                const char *code; /* in hex */
        } functions[2];
} thp_codes[] = {
        /* clang-format off */
        {
                .release = "6.12.95+deb12-amd64",
                .ops_offset = 112,
                .typed = false,
                .exempt = FACT_NO,
                .flags = 0xffffffff82e68ab0,
                .thunk = 0xffffffff81ce1ff0,
                .functions = {
                        { 0xffffffff8140fef0, 640,
                          "f30f1efa0f1f44000041574156415541544989f44889d6554889fd53bbfc0300004883ec1848"
                          "8b47704885c07442488b9780000000bbfe0300004885d27431488b5218bb00020400488b12f6"
                          "420d20751f488b572081e2000400104883fa014819db4881e3fe01fcff4881c3000204004821"
                          "cb7412488b55104885d27409f6053b8ba50101741831db4883c4184889d85b5d415c415d415e"
                          "415fe961208d0041f7c40000004075df488b9260040000f7c20000000175d04c8b8d80000000"
                          "4889f183e1024d85c97414498b5118488b12f6420d2074074885c975aeebaa4889f283e20375"
                          "0941f7c400444410759983e6044885c90f85b80000004c8b75004889342441ba0010000041bb"
                          "0100000048895424084c8b4508b9ffffffff41bfffffffff4c894c24104d89f549c1ed0c480f"
                          "bdcb4c89d24c89c748d3e24829d74885c0741b4889d64d89e94c2b4d7848c1ee0c4883ee0149"
                          "85f10f85c30000004889d648f7de4821fe4c39f60f82b10000004801f24939d00f82a5000000"
                          "4c8b4c2410488b3424488b5424084d85c97423498b79184885ff741ae8d35ef4ff488b342484"
                          "c00f8599000000488b4570488b5424084885c074414885f67423488b0dfd89a501f6c1060f84"
                          "bbfeffff4181e40000002083e1024909cc0f84a8feffff4885d20f849ffeffff48837830000f"
                          "8596feffffe98ffeffff488b4520f6c40174112500800100483d008001000f8475feffff480b"
                          "55680f846bfeffffe968feffff4c89da48d3e24489f948f7d24821d3480fbdcb4885db0f85f5"
                          "feffffe945feffff488b85800000004885f6488b55784889ee410f94c031c9488b78284883c4"
                          "18450fb6c05b5d415c415d415e415fe99cbdf4ff66662e0f1f84000000000090" },
                },
        },
        {
                .release = "6.12.118+deb13-amd64",
                .ops_offset = 112,
                .typed = false,
                .exempt = FACT_YES,
                .flags = 0xffffffff82e68a90,
                .thunk = 0xffffffff81d22df0,
                .functions = {
                        { 0xffffffff81405930, 800,
                          "f30f1efa0f1f4400004157415641554989f541544989d4554889fd53bbfc0300004883ec2048"
                          "8b47704885c07442488b9780000000bbfe0300004885d27431488b5218bb00020400488b12f6"
                          "420d20751f488b572081e2000400104883fa014819db4881e3fe01fcff4881c3000204004821"
                          "cb7415488b55104885d2740c488b0ddb30a601f6c101741831db4883c4204889d85b5d415c41"
                          "5d415e415fe91ed4910041f7c50000004075df488b9268040000f7c20000000175d04c8b8d80"
                          "0000004c89e683e6024d85c97414498b5118488b12f6420d2074074885f675aeebaa4c89e744"
                          "89e283e70483e20148893c244885f60f853b01000084d20f852a01000041f7c5004444107580"
                          "4c8b7500488974240841ba0010000041bf01000000885424174c8b4508b9ffffffff4c894c24"
                          "184d89f349c1eb0c480fbdcb4c89d24c89c748d3e24829d74885c0741b4889d64d89d94c2b4d"
                          "7848c1ee0c4883ee014985f10f85a00000004889d648f7de4821fe4c39f60f828e0000004801"
                          "f24939d00f82820000004c8b4c2418488b7424080fb65424174d85c9742d498b79184885ff74"
                          "24885424174889742408e82f70f4ff84c00f8510010000488b4570488b7424080fb654241748"
                          "85c00f84bf000000488b40304885c00f95c148833c240089ca0f8491000000f64521040f840b"
                          "01000084c90f84030100004183e4010f8487feffffe984feffff4c89fa48d3e2b9ffffffff48"
                          "f7d24821d3480fbdcb4885db0f8516ffffffe95ffeffff4885f60f84d6feffff4885c0745648"
                          "833c2400488b403074774885c00f95c2f6452104740884d20f8534fefffff6c102755e83e106"
                          "0f8424feffff41f7c5000000200f8417feffff4885f675434183e4010f8408feffff84d20f84"
                          "00feffffe9fdfdffff488b4520f6c401740e48f7d0a9008001000f84e4fdffff48837d68000f"
                          "85dbfdffff4885f674cce9d1fdffff4885c00f85c8fdffffe9c1fdffff488b85800000004c8b"
                          "04244889ee31c9488b5578488b782849c1e8024883c4205b4183f0015d415c415d415e415fe9"
                          "c4dff4ff488b0d5d2ea601f6c1020f8451ffffffe967ffffff66662e0f1f8400000000000f1f"
                          "4000" },
                },
        },
        {
                .release = "6.18.15+deb13-amd64",
                .ops_offset = 72,
                .typed = true,
                .exempt = FACT_NO,
                .flags = 0xffffffff83334918,
                .thunk = 0xffffffff820ea5b0,
                .functions = {
                        { 0xffffffff81704f90, 672,
                          "f30f1efa0f1f4400004157b8fc0300004156415541544189d4554889fd534883ec18488b5748"
                          "4885d2743c488b7f58b8fe0300004885ff742e488b4710488b38b800020400f6470d20751c48"
                          "8b452025000400104883f8014819c04825fe01fcff4805000204004821c84889c37415488b45"
                          "104885c0740c488b0d09f9c201f6c101741831db4883c4184889d85b5d415c415d415e415fe9"
                          "84559e00f7c60000004075e0488bb8d8040000f7c70000000175d14183fc034989f6410f94c5"
                          "4181e60000002075094584ed0f844b010000488b45584885c07415488b4010488b00f6400d20"
                          "74084183fc017598eb984183fc010f86f3000000f7c600444410758441bf00100000b9ffffff"
                          "ff480fbdcb83f93f0f87034bb2ff4c8b45084c89f848d3e04929c048837d4800488b7d00741b"
                          "4889c24889fe48c1ea0c48c1ee0c482b75504883ea014885d675734889c248f7da4c21c24839"
                          "fa72654801d048394508725c488b45584885c07416488b78104885ff740de8c7eff2ff84c00f"
                          "85f1000000488b55484885d20f84d90000004183fc030f84ecfeffff488b05e9f7c201a8060f"
                          "84ddfeffff83e0024c09f00f84d1feffff4183fc017652e9c6feffff83f93f0f879e4ab2ff48"
                          "c7c0feffffff48d3c0b9ffffffff4821c3480fbdcb4885db0f8529ffffffe999feffff0f850f"
                          "ffffff4885d2743cf6c1060f8485feffff83e1024c09f10f8479feffff48837a30000f8570fe"
                          "ffffe969feffff488b80d8040000a9000080000f84a3feffffe952feffff488b4520f6c4010f"
                          "8447feffff48f7d0a9008001000f8437feffff48837d40000f852efeffff4183fc010f8722fe"
                          "ffffe91ffeffff488b4520f6c40175cfebdb488b4558488b55504589e831c94183e0014889ee"
                          "488b7820e8315af3ff4821c3e9effdffff660f1f840000000000" },
                },
        },
        {
                .release = "7.0.13+deb13-amd64",
                .ops_offset = 72,
                .typed = true,
                .exempt = FACT_NO,
                .flags = 0xffffffff83351d38,
                .thunk = 0xffffffff8214eeb0,
                .functions = {
                        { 0xffffffff8172e2b0, 672,
                          "f30f1efa0f1f4400004157b8fc0300004156415541544189d4554889fd534883ec18488b5748"
                          "4885d2743c488b7f58b8fe0300004885ff742e488b4710488b38b800020400f6470520751c48"
                          "8b452025000400104883f8014819c04825fe01fcff4805000204004821c84889c37415488b45"
                          "104885c0740c488b0d093ac201f6c101741831db4883c4184889d85b5d415c415d415e415fe9"
                          "640ba200f7c60000004075e0488bb8d0050000f7c70000000175d14183fc034989f6410f94c5"
                          "4181e60000002075094584ed0f844b010000488b45584885c07415488b4010488b00f6400520"
                          "74084183fc017598eb984183fc010f86f3000000f7c600444410758441bf00100000b9ffffff"
                          "ff480fbdcb83f93f0f8751c4afff4c8b45084c89f848d3e04929c048837d4800488b7d00741b"
                          "4889c24889fe48c1ea0c48c1ee0c482b75504883ea014885d675734889c248f7da4c21c24839"
                          "fa72654801d048394508725c488b45584885c07416488b78104885ff740de8a7adf2ff84c00f"
                          "85f1000000488b55484885d20f84d90000004183fc030f84ecfeffff488b05e938c201a8060f"
                          "84ddfeffff83e0024c09f00f84d1feffff4183fc017652e9c6feffff83f93f0f87ecc3afff48"
                          "c7c0feffffff48d3c0b9ffffffff4821c3480fbdcb4885db0f8529ffffffe999feffff0f850f"
                          "ffffff4885d2743cf6c1060f8485feffff83e1024c09f10f8479feffff48837a30000f8570fe"
                          "ffffe969feffff488b80d0050000a9000080000f84a3feffffe952feffff488b4520f6c4010f"
                          "8447feffff48f7d0a9008001000f8437feffff48837d40000f852efeffff4183fc010f8722fe"
                          "ffffe91ffeffff488b4520f6c40175cfebdb488b4558488b55504589e831c94183e0014889ee"
                          "488b7820e82117f3ff4821c3e9effdffff660f1f840000000000" },
                },
        },
        {
                .release = "7.2.6+deb13-amd64",
                .ops_offset = 72,
                .typed = true,
                .exempt = FACT_NO,
                .flags = 0xffffffff8354cf70,
                .thunk = 0xffffffff821892b0,
                .functions = {
                        { 0xffffffff81755ff0, 912,
                          "f30f1efa0f1f44000041574989f7415641554189d541544989fc5553bbfc0300004883ec3848"
                          "837f480065488b2de67f7d0248896c24304889cd7423488b47584885c00f84b0000000488b40"
                          "10488b00f64005200f849f000000bb000204004821eb7416498b4424104885c0740c488b150b"
                          "6fdf01f6c201742b31db488b44243065482b058f7f7d020f85fc0200004883c4384889d85b5d"
                          "415c415d415e415fe91b32a30041f7c70000004075cc488b8810060000f7c10000000175bd41"
                          "83fd034d89fe400f94c54181e60000002075094084ed0f8430020000498b4424584885c0742f"
                          "488b4010488b00f640052074224183fd017583eb834c89e7e8dfdfffff84c00f8551ffffffbb"
                          "fe030000e94cffffff4183fd010f865201000048b80e0000001200000048c744241800000000"
                          "488944242048b80a0000001c0000004889442428480fba6c24180e4863442424480fab442418"
                          "4863442428480fab442418486344242c480fab442418488b442418480d000040004c85f80f85"
                          "fafeffff41bf00100000b9ffffffff480fbdcb83f93f0f870953adff4d8b4424084c89f848d3"
                          "e04929c049837c244800498b3c24741c4889c24889fe48c1ea0c48c1ee0c492b7424504883ea"
                          "014885d675744889c248f7da4c21c24839fa72664801d04939442408725c498b4424584885c0"
                          "7416488b78104885ff740de882a6f2ff84c00f855e010000498b4424484885c00f8444010000"
                          "4183fd030f848f000000488b155b6ddf01f6c2060f844cfeffff83e2024c09f20f8440feffff"
                          "4183fd01776deb5683f93f0f87a152adff48c7c0feffffff48d3c0b9ffffffff4821c3480fbd"
                          "cb4885db0f8525ffffffe90bfeffff0f850bffffff498b4424484885c00f849e000000f6c206"
                          "0f84eefdffff83e2024c09f20f84e2fdffff48837838000f85d9fdffff4183fd010f84cdfdff"
                          "ff498b4424584885c00f84bffdffff488b4820f64106080f85b1fdffff488b4010488b406848"
                          "89c248c1ea1083e21f83fa090f8796fdffff48c1e81583e01f83f8080f8686fdffff0fb70166"
                          "2500f0663d00800f8477fdffffe970fdffff488b8010060000a9000080000f84befdffffe959"
                          "fdffff498b442420f6c4010f844dfdffff48f7d0a9008001000f843dfdffff49837c2440000f"
                          "8533fdffff4183fd010f8727fdffffe924fdffff498b442420f6c40175cdebd9498b44245849"
                          "8b5424504189e831c94183e0014c89e6488b7820e84d0ff3ff4821c3e9f1fcffffe83003a200" },
                        { 0xffffffff817540d0, 128,
                          "0f1f4400004883ec1865488b05279f7d024889442410488b47584885c07427488b4010488b10"
                          "31c0f64205207418488b54241065482b15fd9e7d02753d4883c418e99a51a30048b80a000000"
                          "1c00000048c70424000000004889442408480fba2c240a486344240c480fab0424488b042448"
                          "2347200f95c0ebb4e86125a20090" },
                },
        },
        {
                .release = "7.2.13+deb14-amd64",
                .ops_offset = 72,
                .typed = true,
                .exempt = FACT_YES,
                .flags = 0xffffffff83553370,
                .thunk = 0xffffffff822c2db0,
                .functions = {
                        { 0xffffffff817c6750, 1184,
                          "f30f1efa0f1f4400004883ec684989fab8fc03000048895c244865488b1d96d8650248895c24"
                          "4089d348837f48007450488b47584885c07412488b4010488b10b800020400f642052075354c"
                          "89d748894c241048897424084c891424e83fd2ffff488b4c2410488b7424083c014c8b142448"
                          "19c04825fe01fcff4805000204004821c84989c17415498b42104885c0740c488b1588cbd801"
                          "f6c20174274531c9488b44244065482b050bd865020f85d4030000488b5c24484c89c84883c4"
                          "68e99cc5af00f7c60000004075d14c897424584c8b98e005000049c1eb184489df83e7014189"
                          "fe0f851202000083fb034889f748896c24500f94c181e7000000204c897c24604889fd4189cf"
                          "750884c90f84d6010000498b42584885c0742d488b4010488b00f6400520742083fb01b80000"
                          "0000488b6c24504c8b7424584c0f45c84c8b7c2460e956ffffff83fb010f866301000048b80e"
                          "00000012000000488d4c244048c744242800000000488944243048b80a0000001c0000004889"
                          "442438488d442430486310480fab5424284883c0044839c175ee488b442428480d0000400048"
                          "85f00f85f800000041b800100000b9ffffffff490fbdc983f93f0f87de9aa6ff4d8b5a084c89"
                          "c248d3e24929d3498b3249837a4800741f4889d04889f748c1e80c48c1ef0c492b7a504883e8"
                          "014885c70f85820000004889d048f7d84c21d84839f072744801d049394208726b498b425848"
                          "85c07428488b78104885ff741f4c895424084c890c24e8b1bdf1ff4c8b0c244c8b54240884c0"
                          "0f85c1010000498b52484885d20f8512010000498b422048f7d0a900810100744749837a4000"
                          "0f84df010000488b6c24504c8b7424584c8b7c2460e926feffff83f93f0f87e499a6ff48c7c0"
                          "feffffff48d3c0b9ffffffff4921c1490fbdc94d85c90f8517ffffff488b6c24504c8b742458"
                          "4c8b7c2460e9e7fdffff0f85eefeffff498b42484885c07542498b5220488b6c24504c8b7424"
                          "584c8b7c246048f7d2f7c2008101004c0f44c8e9b6fdffff48f780e0050000000080000f8419"
                          "feffffeba54c8b742458e996fdffff488b403849f74220000400000f84200100004885c00f85"
                          "44fffffff6c202751283e2060f8472ffffff4885ed0f8469ffffff85db746b83fb01756631c0"
                          "4584f6488b6c24504c8b7424584c0f44c84c8b7c2460e941fdffff83fb037444488b423849f7"
                          "4220000400000f85ea0000004885c0488b15a0c8d801410f95c6f6c202751283e2060f8410ff"
                          "ffff4885ed0f8407ffffff85db759e4885c00f85befeffff498b42584885c00f84edfeffff48"
                          "8b5020f64206080f85dffeffff488b4010488b48684889c848c1e81083e01f83f8090f87c4fe"
                          "ffff4889c848c1e81583e01f83f8080f86b1feffff0fb702662500f0663d0080e92cfdffff49"
                          "8b42584589f8498b525031c94183e0014c89d6488b7820e8122bf2ff4c8b0c24488b6c24504c"
                          "8b7424584c8b7c24604921c1e967fcffff4885c0410f95c6e93fffffff83fb02488b6c24504c"
                          "8b7424584c0f43ca4c8b7c2460e940fcffff4885c0741685db0f84f9fdffff83fb010f84f0fd"
                          "ffffe92dffffff488b159ec7d801e99bfeffff48896c24504c897424584c897c2460e88584ae"
                          "000f1f440000" },
                        { 0xffffffff817c39f0, 112,
                          "0f1f4400004883ec1065488b05070666024889442408488b47584885c07427488b4010488b10"
                          "31c0f64205207418488b54240865482b15dd056602752a4883c410e97af3af0048c704240000"
                          "0000480fba2c240a480fba2c241c488b0424488547200f95c0ebc7e814b6ae000f1f4000" },
                },
        },
        {
                .release = "7.3.4+deb13-amd64",
                .ops_offset = 72,
                .typed = true,
                .exempt = FACT_YES,
                .flags = 0xffffffff83550550,
                .thunk = 0xffffffff821cc3b0,
                .functions = {
                        { 0xffffffff81774280, 1072,
                          "f30f1efa0f1f44000041574989f7415641554189d541544989fc5553bbfc0300004883ec3848"
                          "837f480065488b2d568d7d0248896c24304889cd7423488b47584885c00f84b1000000488b40"
                          "10488b00f64005200f84a0000000bb000204004821eb7416498b4424104885c0740c488b155b"
                          "c2dd01f6c201742b31db488b44243065482b05ff8c7d020f85910300004883c4384889d85b5d"
                          "415c415d415e415fe98b80a50041f7c70000004075cc488ba8e005000048c1ed1883e50175bc"
                          "4183fd034d89f9410f94c64181e10000002075094584f60f848a020000498b4424584885c074"
                          "2f488b4010488b00f640052074224183fd017582eb824c89e7e89eddffff84c00f8550ffffff"
                          "bbfe030000e94bffffff4183fd010f86e401000048b80e0000001200000048c7442418000000"
                          "00488944242048b80a0000001c0000004889442428480fba6c24180e4863442424480fab4424"
                          "184863442428480fab442418486344242c480fab442418488b442418480d000040004c85f80f"
                          "85f9feffff41b800100000b9ffffffff480fbdcb83f93f0f87266eabff4d8b7c24084c89c248"
                          "d3e24929d749837c244800498b342474204889d04889f748c1e80c48c1ef0c492b7c24504883"
                          "e8014885c70f85020100004889d048f7d84c21f84839f00f82f00000004801d049394424080f"
                          "82e2000000498b4424584885c0741e488b78104885ff74154c890c24e8017af2ff4c8b0c2484"
                          "c00f85b5010000498b4424484885c00f848f0100004183fd037449498b542420488b403880e6"
                          "040f85b60100004885c0488b1585c0dd01400f95c5f6c202751283e2060f841dfeffff4d85c9"
                          "0f8414feffff4585ed0f85de0000004885c00f8504feffff498b4424584885c00f84f4fdffff"
                          "488b4820f64106080f85e6fdffff488b4010488b40684889c248c1ea1083e21f83fa090f87cb"
                          "fdffff48c1e81583e01f83f8080f86bbfdffff0fb701662500f0663d00800f84acfdffffe9a5"
                          "fdffff83f93f0f87b26cabff48c7c0feffffff48d3c0b9ffffffff4821c3480fbdcb4885db0f"
                          "8593feffffe978fdffff0f8579feffff498b4424484885c0746a498b4c2420488b403880e504"
                          "0f84a00000004885c00f854ffdfffff6c202751283e2060f843ffdffff4d85c90f8436fdffff"
                          "4585ed0f842bffffff4183fd010f8521ffffff4084ed0f851cfdffffe915fdffff488b80e005"
                          "0000a9000080000f8464fdffffe9fefcffff498b442420f6c4010f84f2fcffff498b44242048"
                          "f7d0a9008001000f84ddfcffff49837c2440000f85d3fcffff4183fd010f87c7fcffffe9c4fc"
                          "ffff498b442420f6c40175c8ebd94885c0400f95c5e97ffeffff498b442458498b5424504589"
                          "f031c94183e0014c89e6488b7820e821e4f2ff4821c3e985fcffff4885c074184585ed0f8477"
                          "fcffff4183fd010f846dfcffffe964feffff488b15b5bedd01e90dffffffe86b4ea40066662e"
                          "0f1f840000000000" },
                        { 0xffffffff81772120, 128,
                          "0f1f4400004883ec1865488b05d7ae7d024889442410488b47584885c07427488b4010488b10"
                          "31c0f64205207418488b54241065482b15adae7d02753d4883c418e94aa2a50048b80a000000"
                          "1c00000048c70424000000004889442408480fba2c240a486344240c480fab0424488b042448"
                          "2347200f95c0ebb4e87173a40090" },
                },
        },
        /* clang-format on */
};
