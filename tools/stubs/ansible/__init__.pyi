# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# ansible-core has no types that a type checker is shown (no py.typed). These are those of its parts that plugins/ uses; add what else is needed.
